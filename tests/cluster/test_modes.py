"""The front where the device has no XDP of its own, and where its table of connections is full."""

import hashlib
import json
import os
import random
import resource
import socket

import pytest

from labs import Lab, VIP, VIP6, targets_by_node, until

FLOWS, LIVE, TOO_MANY = 1024, 40, 20
SIZES = (0, 1447, 1448, 100000, 1000000)


@pytest.fixture(name="generic", scope="module")
def lab_of_generic_xdp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    os.chmod(folder, 0o755)
    for i, size in enumerate(SIZES):
        (folder / ("f%d" % i)).write_bytes(random.Random(i).randbytes(size))
    (folder / "index.html").write_text("hello\n")
    lab = Lab("generic", "-n", 3, "--xdp", "generic", "--root", folder)
    yield lab, [hashlib.sha256((folder / ("f%d" % i)).read_bytes()).digest() for i in range(len(SIZES))]
    lab.down()


def test_the_daemon_says_which_mode_it_got(generic):
    lab = generic[0]
    assert lab.status()["front"]["xdp"] == "generic"
    assert "(generic mode)" in open(os.path.join(lab.run_folder, "log", "front.log")).read()
    assert "xdpgeneric" in lab.exec("front", "ip", "link", "show", "eth0").stdout


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_generic_mode_moves_requests_and_keeps_every_byte(generic, address):
    lab, digests = generic
    before = lab.status()["front"]
    rng, nodes, moved, last = random.Random(5), set(), 0, None
    with lab.connect(address) as connection:
        for number in range(120):
            if number % 10 == 9:
                # A body of several segments behind its head.
                answer = connection.get("/f%d" % (number % 5), "POST", body=rng.randbytes(20000))
            else:
                answer = connection.get("/f%d" % rng.randrange(len(SIZES)) if number % 2 else "/t/%d" % number)
            assert answer.status == 200
            if number % 2 or number % 10 == 9:
                assert hashlib.sha256(answer.body).digest() in digests
            else:
                assert answer.body == b"/t/%d\n" % number
            moved += last not in (None, answer.node)
            nodes.add(answer.node)
            last = answer.node
    after = lab.status()["front"]
    assert len(nodes) == 3 and moved
    assert after["handoffs_later"] - before["handoffs_later"] >= moved
    for counter in ("bad_mac", "bad_header", "too_long", "malformed"):
        assert after[counter] == before[counter], counter
    assert not any(lab.server_errors().values())


def test_generic_mode_serves_connections_by_the_hundred(generic):
    lab = generic[0]
    done = lab.exec("client", os.environ.get("BATON", "build/baton"), "load", "closed", "http://%s/t/{1..200}" % VIP,
                    "-c", 20, "-n", 2000, "--per-connection", 5, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["requests"] == 2000 and result["errors"] == 0, result


@pytest.fixture(name="small")
def lab_with_a_small_table():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    lab = Lab("small", "-n", 2, "--flows", FLOWS)
    yield lab
    lab.down()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_full_table_refuses_new_connections_and_keeps_live_ones(small):
    live = [small.connect() for _ in range(LIVE)]
    try:
        for i, connection in enumerate(live):
            assert connection.get("/t/live%d" % i).status == 200
        for _ in range(FLOWS - LIVE):
            live.append(small.connect())
            live[-1].request("/t/filler")
        for connection in live[LIVE:]:
            assert connection.response().status == 200
        assert small.status()["front"]["flows_full"] == 0
        late = [small.connect() for _ in range(TOO_MANY)]
        for connection in late:
            connection.request("/t/late")
        until(lambda: small.status()["front"]["flows_full"] >= TOO_MANY, "every one of them has been refused")
        for connection in late:
            connection.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.socket.recv(1, socket.MSG_PEEK)
        # Live ones go on, and move, as if nothing were.
        by_node = targets_by_node(live[0], 8)
        assert len(by_node) == 2
        moved = small.status()["front"]["handoffs_later"]
        for i, connection in enumerate(live):
            assert connection.get(by_node["node%d" % (1 + i % 2)][0]).node == "node%d" % (1 + i % 2)
        assert small.status()["front"]["handoffs_later"] > moved
        for connection in late:
            connection.close()
    finally:
        for connection in live:
            connection.close()
