"""The main job: requests of one connection served by the node that each belongs to, by stock nginx."""

import hashlib
import os
import random
import re
import ssl

import pytest

from labs import Lab, VIP, VIP6, targets_by_node, until, where

FILES = 40


@pytest.fixture(name="root", scope="module")
def files(tmp_path_factory):
    """Files of sizes from nothing to a megabyte, their contents made of their names."""
    folder = tmp_path_factory.mktemp("root")
    os.chmod(folder, 0o755)
    rng = random.Random(7)
    for i in range(FILES):
        size = [0, 1, 1447, 1448, 32767, 65536, 1000000][i] if i < 7 else int(10 ** rng.uniform(1, 5.3))
        (folder / ("f%d" % i)).write_bytes(random.Random(i).randbytes(size))
    (folder / "index.html").write_text("hello\n")
    return folder


@pytest.fixture(name="lab", scope="module")
def lab_of_nginx(root):
    lab = Lab("handoff", "-n", 4, "--root", root)
    yield lab
    lab.down()


def test_curl_both_families_and_where(lab):
    for address in (VIP, "[%s]" % VIP6):
        text = lab.curl("-i", "http://%s/t/first" % address)
        assert text.startswith("HTTP/1.1 200") and text.endswith("/t/first\n")
        assert re.search(r"X-Node: node[1-4]", text)
    assert lab.baton("where", "http://%s/t/x" % VIP).stdout.startswith(where(lab, "/t/x"))
    for i in range(20):
        path = "/t/where%d?query=dropped" % i
        with lab.connect() as connection:
            assert connection.get(path).node == where(lab, path)


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_keep_alive_switches_and_every_byte_is_right(lab, root, address):
    digests = {"f%d" % i: hashlib.sha256((root / ("f%d" % i)).read_bytes()).digest() for i in range(FILES)}
    before = lab.status()["front"]
    nodes, moved, last = set(), 0, None
    rng = random.Random(11)
    with lab.connect(address) as connection:
        for _ in range(400):
            name = rng.choice(list(digests))
            answer = connection.get("/" + name)
            assert answer.status == 200
            assert hashlib.sha256(answer.body).digest() == digests[name], name
            moved += last is not None and answer.node != last
            last = answer.node
            nodes.add(answer.node)
    assert nodes == {"node1", "node2", "node3", "node4"}
    assert moved >= 200
    after = lab.status()["front"]
    assert after["handoffs_first"] == before["handoffs_first"] + 1
    assert after["handoffs_later"] >= before["handoffs_later"] + moved


def test_the_client_keeps_its_address_and_requests_run_once(lab):
    before = lab.served()
    with lab.connect() as connection:
        for i in range(100):
            connection.get("/t/once%d" % i)
    until(lambda: lab.served() >= before + 100, "all requests in the servers' logs")
    assert lab.served() == before + 100
    for node in range(1, 5):
        with open("%s/log/node%d.access" % (lab.run_folder, node)) as log:
            clients = {line.split()[0] for line in log}
        # What no client sent are the front's health checks, and what served() asks.
        assert clients <= {"10.77.0.1", "fd77::1", "10.77.0.2", "fd77::2", "127.0.0.1"}


def test_statuses_and_methods_of_all_kinds(lab):
    with lab.connect() as connection:
        paths = targets_by_node(connection)
        for turn in range(3):
            for node, mine in sorted(paths.items()):
                path = mine[turn]
                answer = connection.get(path, method="HEAD")
                assert (answer.status, answer.body, answer.node) == (200, b"", node)
                assert connection.get(path).body == path.encode() + b"\n"
        for i in range(12):
            assert connection.get("/missing%d" % i).status == 404
            assert connection.get("/t/option%d" % i, method="DELETE").status in (200, 405)
        answer = connection.get("/f3")
        answer = connection.get("/f3", headers=["If-None-Match: " + answer.headers["etag"]])
        assert (answer.status, answer.body) == (304, b"")
        assert connection.get("/t/last").status == 200


def test_ranges(lab, root):
    whole = (root / "f6").read_bytes()
    with lab.connect() as connection:
        for first, last in ((0, 0), (5000, 70000), (999999, 999999)):
            answer = connection.get("/f6", headers=["Range: bytes=%d-%d" % (first, last)])
            assert (answer.status, answer.body) == (206, whole[first:last + 1])
            assert connection.get("/t/between%d" % first).status == 200


def test_pipelined_requests_are_answered_in_order(lab):
    with lab.connect() as connection:
        for turn in range(5):
            paths = ["/t/pipe%d.%d" % (turn, i) for i in range(10)]
            connection.send(b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() for path in paths))
            for path in paths:
                assert connection.response().body == path.encode() + b"\n"


def test_a_body_that_looks_like_a_request(lab):
    lure = b"GET /t/lure HTTP/1.1\r\nHost: a\r\n\r\n"
    with lab.connect() as connection:
        paths = targets_by_node(connection, 32)
        for mine in paths.values():
            for path in mine[:3]:
                answer = connection.get(path, "POST", body=lure)
                assert answer.body == path.encode() + b"\n"
        # The body in a segment of its own, which begins as a request does.
        for mine in paths.values():
            for path in mine[3:5]:
                connection.send(b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" %
                                (path.encode(), len(lure)))
                connection.send(lure)
                assert connection.response().body == path.encode() + b"\n"
        # Chunked, the chunk's contents in a segment of their own.
        path = paths[sorted(paths)[0]][5]
        connection.send(b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" %
                        (path.encode(), len(lure)))
        connection.send(lure)
        connection.send(b"\r\n0\r\n\r\n")
        assert connection.response().body == path.encode() + b"\n"
        assert connection.get("/t/after").body == b"/t/after\n"
    logs = "".join(open("%s/log/node%d.access" % (lab.run_folder, node)).read() for node in range(1, 5))
    assert "/t/lure" not in logs


def test_large_bodies_sent_and_received(lab):
    body = random.Random(3).randbytes(700000)
    with lab.connect() as connection:
        for i in range(8):
            assert connection.get("/t/post%d" % i, "POST", body=body).body == b"/t/post%d\n" % i
            assert connection.get("/t/get%d" % i).body == b"/t/get%d\n" % i


def test_byte_by_byte(lab):
    request = b"GET /t/slowly HTTP/1.1\r\nHost: a\r\nX-Filler: 0123456789\r\n\r\n"
    with lab.connect() as connection:
        for _ in range(3):
            for i in range(len(request)):
                connection.send(request[i:i + 1])
            assert connection.response().body == b"/t/slowly\n"
            assert connection.get("/t/whole").body == b"/t/whole\n"


def test_half_close(lab):
    # nginx gives up a response that it can't send in one go when the client has ended its side, with
    # and without Baton: one that fits into the socket, then.
    for paths in (["/f5"], ["/t/one", "/t/two", "/f5"]):
        with lab.connect() as connection:
            for path in paths[:-1]:
                connection.get(path)
            connection.request(paths[-1])
            connection.socket.shutdown(1)
            assert len(connection.response().body) == 65536
            assert connection.ended()


def test_connection_close_moves_too(lab):
    with lab.connect() as connection:
        paths = targets_by_node(connection, 32)
    for node, mine in paths.items():
        with lab.connect() as connection:
            other = next(name for name in paths if name != node)
            assert connection.get(paths[other][0]).node == other
            answer = connection.get(mine[0], headers=["Connection: close"])
            assert (answer.node, answer.body) == (node, mine[0].encode() + b"\n")
            assert connection.ended()


def test_a_port_used_again_at_once(lab):
    served = lab.served()
    for _ in range(60):
        with lab.connect(source=("10.77.0.1", 33333)) as connection:
            assert connection.get("/t/reuse", headers=["Connection: close"]).status == 200
            assert connection.ended()
    for i in range(60):
        with lab.connect(source=("10.77.0.1", 33334)) as connection:
            # Linger of no seconds: closing resets, so that the client's kernel forgets the port too.
            connection.socket.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")
            assert connection.get("/t/reuse%d" % i).status == 200
            assert connection.get("/t/other%d" % i).status == 200
    until(lambda: lab.served() >= served + 180, "all in the logs")
    assert lab.served() == served + 180


def test_drain_moves_connections_at_their_next_request(lab):
    with lab.connect() as connection:
        paths = targets_by_node(connection)
        path = paths["node2"][0]
        assert connection.get(path).node == "node2"
        lab.baton("drain", "node2")
        try:
            assert lab.node("node2")["state"] == "drain"
            answer = connection.get(path)
            assert answer.node != "node2" and answer.body == path.encode() + b"\n"
            # What wasn't the drained node's stays where it was.
            for name in ("node1", "node3", "node4"):
                assert connection.get(paths[name][0]).node == name
        finally:
            lab.baton("ready", "node2")
        assert connection.get(path).node == "node2"


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_tls_goes_by_the_server_name(lab, root, address):
    whole = (root / "f6").read_bytes()
    context = ssl.create_default_context(cafile=lab.run_folder + "/conf/cert.pem")
    nodes = {}
    for turn in range(2):
        for name in ("a.baton.lab", "b.baton.lab", "c.baton.lab", "d.baton.lab", "e.baton.lab", "f.baton.lab"):
            with lab.connect(address, 443) as connection:
                connection.wrap(context, name)
                for _ in range(3):
                    answer = connection.get("/f6")
                    assert answer.body == whole
                    assert nodes.setdefault(name, answer.node) == answer.node, turn
    assert len(set(nodes.values())) > 1


def test_load_generators(lab):
    done = lab.exec("client", "ab", "-q", "-n", 2000, "-c", 20, "http://%s/f1" % VIP)
    assert done.returncode == 0 and "Complete requests:      2000" in done.stdout, done.stdout + done.stderr
    assert "Failed requests:        0" in done.stdout
    done = lab.exec("client", "h2load", "--h1", "-n", 2000, "-c", 20, "http://%s/f1" % VIP)
    assert "2000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout
    done = lab.exec("client", "wrk", "-t1", "-c20", "-d1", "http://%s/f1" % VIP)
    assert done.returncode == 0 and "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_many_connections_at_once(lab, address):
    """Random targets on many connections: every answer right, most of them moved, nothing left."""
    done = lab.exec("client", "/usr/bin/python3", "-c", MANY, address)
    assert done.returncode == 0, done.stdout + done.stderr
    right, moved = map(int, done.stdout.split())
    assert right == 20 * 150 and moved > right // 2
    until(lambda: not any(lab.server_sockets("node%d" % i) for i in range(1, 5)), "no socket left")


MANY = """
import random, select, socket, sys
address, moved, right = sys.argv[1], 0, 0
family = socket.AF_INET6 if ":" in address else socket.AF_INET
def ask(one):
    one["path"] = "/t/%d" % one["rng"].randrange(10000)
    one["got"] = b""
    one["socket"].sendall(b"GET %s HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" % one["path"].encode())
ones = {}
for i in range(20):
    s = socket.socket(family)
    s.connect((address, 80))
    ones[s] = {"socket": s, "rng": random.Random(i), "left": 150, "node": None}
    ask(ones[s])
while ones:
    ready = select.select(list(ones), [], [], 30)[0]
    assert ready, "nothing came for 30 s"
    for s in ready:
        one = ones[s]
        more = s.recv(65536)
        assert more, "ended early"
        one["got"] += more
        head, gap, body = one["got"].partition(b"\\r\\n\\r\\n")
        want = one["path"].encode() + b"\\n"
        if not gap or len(body) < len(want):
            continue
        assert head.startswith(b"HTTP/1.1 200") and body == want, one["got"]
        node = head.lower().split(b"x-node: ")[1].split(b"\\r\\n")[0]
        moved += one["node"] not in (None, node)
        right += 1
        one["node"] = node
        one["left"] -= 1
        if one["left"]:
            ask(one)
        else:
            s.close()
            del ones[s]
print(right, moved)
"""


def test_servers_have_nothing_to_complain_of(lab):
    """The last of this file: what all of the above left in the servers' error logs."""
    for host, text in lab.server_errors().items():
        # nginx itself calls a file that isn't there an error.
        assert [line for line in text.splitlines() if "/missing" not in line] == [], host
    until(lambda: not any(lab.server_sockets("node%d" % i) for i in range(1, 5)), "no socket left")
