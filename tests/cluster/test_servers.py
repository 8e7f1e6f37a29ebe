"""The same with Apache, Squid, Node and nginx, unmodified, side by side; and connections that must stay."""

import hashlib
import pathlib
import random
import tempfile

import pytest

from labs import Lab, VIP, VIP6, targets_by_node, where

SERVERS = {"node1": "nginx", "node2": "apache", "node3": "squid", "node4": "node"}


@pytest.fixture(name="root", scope="module")
def files():
    """Not in pytest's own folder: that is closed to the users that servers run as."""
    with tempfile.TemporaryDirectory(prefix="baton-servers-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for i in range(48):
            (folder / ("f%d" % i)).write_bytes(random.Random(i).randbytes(37 * i * i + i))
        (folder / "index.html").write_text("hello\n")
        yield folder


@pytest.fixture(name="lab", scope="module")
def mixed_lab(root):
    lab = Lab("servers", "-n", 4, "--server", ",".join(SERVERS.values()), "--root", root)
    yield lab
    lab.down()


@pytest.fixture(name="paths", scope="module")
def paths_by_node(lab):
    with lab.connect() as connection:
        found = targets_by_node(connection, 48, "/f")
    assert set(found) == set(SERVERS)
    return found


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_one_connection_through_all_servers(lab, root, address):
    rng = random.Random(5)
    with lab.connect(address) as connection:
        seen = set()
        for _ in range(300):
            name = "f%d" % rng.randrange(48)
            answer = connection.get("/" + name)
            assert answer.status == 200
            assert answer.body == (root / name).read_bytes(), (name, answer.node)
            seen.add(answer.node)
    assert seen == set(SERVERS)


def test_back_and_forth_without_a_pause(lab, paths):
    """A to B to A: the segment that meets a socket on its way out waits for it. A move is given up if the server is
    seen to do something at that very moment, once in tens of thousands: then the request is served where it came."""
    stayed = 0
    for first in SERVERS:
        for second in SERVERS:
            with lab.connect() as connection:
                for i in range(40):
                    node, other = (first, second)[i % 2], (first, second)[1 - i % 2]
                    answered = connection.get(paths[node][0]).node
                    assert answered in (node, other)
                    stayed += answered != node
    assert stayed <= 3


def test_an_upgraded_connection_stays(lab):
    with lab.connect() as connection:
        paths = targets_by_node(connection, 48, "/t/")
    with lab.connect() as connection:
        connection.request(paths["node4"][0], headers=["Connection: Upgrade", "Upgrade: echo"])
        answer = connection.response()
        assert (answer.status, answer.node) == (101, "node4")
        # What follows looks like requests for others' targets and is none.
        for node in SERVERS:
            lure = b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (paths[node][1].encode(), VIP.encode())
            connection.send(lure)
            assert connection.file.read(len(lure)) == lure
    # Upgrade asked for after the connection has been elsewhere.
    with lab.connect() as connection:
        assert connection.get(paths["node1"][0]).node == "node1"
        connection.request(paths["node4"][1], headers=["Connection: Upgrade", "Upgrade: echo"])
        assert connection.response().status == 101
        data = random.Random(1).randbytes(200000)
        connection.send(data)
        assert connection.file.read(len(data)) == data


def mine(lab, kind, node="node4"):
    """Twelve paths of a kind that Node's server answers specially, all its own."""
    found = [path for path in ("/%s/%d" % (kind, i) for i in range(120)) if where(lab, path) == node][:12]
    assert len(found) == 12
    return found


def test_an_unfinished_response_is_waited_for(lab, paths):
    """A request sent behind one whose answer is on its way is served where the connection is."""
    slow = mine(lab, "slow")
    with lab.connect() as connection:
        for path in slow[:4]:
            connection.request(path + "?ms=60")
            connection.send(b"")
            first = connection.file.peek(1)
            assert first
            # The head and half the body are here; nothing more for a while.
            connection.request(paths["node1"][0])
            answer = connection.response()
            assert (answer.body, answer.node) == (b"first half\nsecond half\n", "node4")
            # Served by Node, which has the same files.
            answer = connection.response()
            assert (answer.status, answer.node) == (200, "node4")
            assert connection.get(paths["node1"][1]).node == "node1"


def test_chunked_responses_end_where_they_end(lab, paths):
    with lab.connect() as connection:
        for turn, path in enumerate(mine(lab, "chunked")):
            answer = connection.get("%s?n=%d" % (path, 50 * turn))
            assert answer.node == "node4"
            assert answer.body == b"".join(b"piece %d\n" % i for i in range(50 * turn))
            assert connection.get(paths["node%d" % (1 + turn % 3)][0]).node == "node%d" % (1 + turn % 3)


def test_bodies_of_requests_arrive_whole(lab, paths):
    """A request whose body is not in its first segment is served where the connection is."""
    rng = random.Random(9)
    sums, echoes = mine(lab, "sum"), mine(lab, "echo")
    with lab.connect() as connection:
        for turn, path in enumerate(sums):
            assert connection.get(paths["node4"][0]).node == "node4"
            body = rng.randbytes(int(10 ** (turn / 2)))
            answer = connection.get(path, "POST", body=body)
            assert answer.body.decode().split() == [str(len(body)), hashlib.sha256(body).hexdigest()]
            assert answer.node == "node4"
            assert connection.get(paths["node1"][turn % len(paths["node1"])]).node == "node1"
    moved = 0
    for path in echoes[:6]:
        before = lab.strays()
        with lab.connect() as connection:
            assert connection.get(paths["node4"][0]).node == "node4"
            body = rng.randbytes(150000)
            parts = [body[i:i + 7001] for i in range(0, len(body), 7001)]
            connection.send(b"PUT %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n" %
                            (path.encode(), VIP.encode()))
            for part in parts:
                connection.send(b"%x\r\n%s\r\n" % (len(part), part))
            connection.send(b"0\r\n\r\n")
            assert connection.response().body == body
            # A host with several processors may send a large body's segments out of order: such a connection stays.
            if connection.get(paths["node2"][0]).node == "node2":
                moved += 1
            else:
                assert lab.strays() > before
    assert moved >= 3
    with lab.connect() as connection:
        # A small one comes along.
        for path in sums:
            assert connection.get(path, "POST", body=b"little").body.split()[0] == b"6"
            assert connection.get(paths["node3"][0]).node == "node3"


def test_expect_continue(lab, paths):
    with lab.connect() as connection:
        assert connection.get(paths["node4"][0]).node == "node4"
        connection.request(mine(lab, "sum")[0], "POST", ["Expect: 100-continue", "Content-Length: 5"])
        assert connection.response_head()[0] == 100
        connection.send(b"12345")
        assert connection.response().body.split()[0] == b"5"
        assert connection.get(paths["node2"][0]).node == "node2"


def test_a_body_that_ends_with_the_connection(lab):
    with lab.connect() as connection:
        connection.send(b"GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" %
                        (mine(lab, "endless")[0].encode(), VIP.encode()))
        everything = connection.file.read()
    assert everything.split(b"\r\n\r\n", 1)[1] == b"until the end\n"
