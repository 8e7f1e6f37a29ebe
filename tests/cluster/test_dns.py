"""`--place dns`: no front. Each node answers at an address of its own, and a name server hands those out in turn."""

import hashlib
import json
import os
import random
import signal

import pytest

from labs import BATON, Lab, until

NODES = 4
ADDRESSES = ["10.78.0.%d" % (1 + i) for i in range(NODES)]
DAEMONS = ["front"] + ["front-node%d" % (1 + i) for i in range(1, NODES)]
SIZES = (0, 1447, 100000, 1000000)


@pytest.fixture(name="cluster", scope="module")
def lab_without_a_front(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    os.chmod(folder, 0o755)
    for i, size in enumerate(SIZES):
        (folder / ("f%d" % i)).write_bytes(random.Random(i).randbytes(size))
    lab = Lab("dns", "-n", NODES, "--place", "dns", "--root", folder)
    yield lab, [hashlib.sha256((folder / ("f%d" % i)).read_bytes()).digest() for i in range(len(SIZES))]
    lab.down()


def fronts(lab):
    """What the front on each node counts."""
    return [lab.ask(daemon=daemon, command="status")["front"] for daemon in DAEMONS]


def test_clients_resolve_the_name_and_come_to_every_node(cluster):
    lab = cluster[0]
    before = fronts(lab)
    asked, served = set(), set()
    for i in range(3 * NODES):
        body, address, node = lab.curl("-w", " %{remote_ip} %header{x-node}", "http://www.lab/t/name%d" % i).split()
        assert body == "/t/name%d" % i
        asked.add(address)
        served.add(node)
    assert asked == set(ADDRESSES), "the name server hands all addresses out"
    assert len(served) == NODES
    for then, now in zip(before, fronts(lab)):
        assert now["handoffs_first"] > then["handoffs_first"], "each front has handed over what came to it"


def connected(lab, daemon):
    try:
        nodes = lab.ask(daemon=daemon, command="status")["nodes"]
    except OSError:
        return False
    return all(node["connected"] for node in nodes)


def settled(lab, daemon):
    status = lab.ask(daemon=daemon, command="status")
    return all(node["version"] == status["version"] for node in status["nodes"])


@pytest.mark.parametrize("address", [*ADDRESSES, "fd78::1", "fd78::%d" % NODES])
def test_requests_move_and_bodies_are_exact(cluster, address):
    lab, digests = cluster
    rng, nodes = random.Random(9), []
    with lab.connect(address) as connection:
        for number in range(60):
            if number % 12 == 11:
                which = number % len(SIZES)
                answer = connection.get("/f%d" % which, "POST", body=rng.randbytes(20000))
                assert hashlib.sha256(answer.body).digest() == digests[which]
            elif number % 2:
                which = rng.randrange(len(SIZES))
                answer = connection.get("/f%d" % which)
                assert hashlib.sha256(answer.body).digest() == digests[which]
            else:
                answer = connection.get("/t/move%d" % number)
                assert answer.body == b"/t/move%d\n" % number
            assert answer.status == 200
            nodes.append(answer.node)
    assert len(set(nodes)) == NODES, "one connection, one address, every node"


def test_a_target_has_one_node_whatever_address_is_asked(cluster):
    lab = cluster[0]
    for i in range(8):
        found = set()
        for address in ADDRESSES:
            with lab.connect(address) as connection:
                found.add(connection.get("/t/one%d" % i).node)
        assert len(found) == 1


@pytest.mark.parametrize("address", [ADDRESSES[0], ADDRESSES[2]])
def test_heads_in_pieces_and_long_ones(cluster, address):
    """The slow path: of requests that stay on the host whose front put them together, and of such that go."""
    lab, nodes = cluster[0], set()
    for i in range(4 * NODES):
        with lab.connect(address) as connection:
            connection.send(b"GET /t/piece%d HTTP/1.1\r\nHo" % i)
            connection.send(b"st: h\r\n\r\n")
            answer = connection.response()
            assert answer.body == b"/t/piece%d\n" % i
            nodes.add(answer.node)
    assert len(nodes) == NODES
    with lab.connect(address) as connection:
        assert connection.get("/t/" + "x" * 6000).body == b"/t/" + b"x" * 6000 + b"\n"
    with lab.connect(address) as connection:
        connection.send(b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.response_head()[0] == 414


def test_every_request_runs_once_and_a_load_has_no_errors(cluster):
    lab = cluster[0]
    before, served = fronts(lab), lab.served()
    done = lab.exec("client", BATON, "load", "closed", "http://www.lab/t/load{1..200}", "-c", 20, "-n", 3000,
                    "--per-connection", 7, "--look-up", "each", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["requests"] == 3000 and result["errors"] == 0, result
    assert len(result["by_node"]) == NODES
    assert lab.served() == served + 3000
    for then, now in zip(before, fronts(lab)):
        assert now["handoffs_first"] > then["handoffs_first"], "users share the addresses"
        assert now["handoffs_later"] > then["handoffs_later"]
        for counter in ("bad_mac", "bad_header", "malformed", "too_long"):
            assert now[counter] == then[counter], counter


def test_a_front_s_daemon_dies_and_comes_back(cluster):
    lab = cluster[0]
    with lab.connect(ADDRESSES[1]) as connection:
        assert connection.get("/t/before").status == 200
        pid = lab.pids()["front-node2"]
        os.kill(pid, signal.SIGKILL)
        for i in range(20):
            assert connection.get("/t/without%d" % i).body == b"/t/without%d\n" % i
        with lab.connect(ADDRESSES[1]) as other:
            assert other.get("/t/new").status == 200
        until(lambda: lab.pids().get("front-node2") not in (None, pid), "the daemon is started again")
        until(lambda: connected(lab, "front-node2"), "all nodes' daemons are connected to it")
        for i in range(20):
            assert connection.get("/t/again%d" % i).body == b"/t/again%d\n" % i


def test_a_drained_node_s_address_is_served_by_the_others(cluster):
    lab = cluster[0]
    with lab.connect(ADDRESSES[2]) as held:
        for i in range(40):
            if held.get("/t/held%d" % i).node == "node3":
                break
        for daemon in DAEMONS:
            lab.ask(daemon=daemon, command="drain", node="node3")
        try:
            for daemon in DAEMONS:
                until(lambda: settled(lab, daemon), "all nodes go by it")
            nodes = {held.get("/t/held%d" % i).node}
            for i in range(12):
                with lab.connect(ADDRESSES[2]) as connection:
                    answer = connection.get("/t/drained%d" % i)
                    assert answer.body == b"/t/drained%d\n" % i
                    nodes.add(answer.node)
            assert nodes == {"node1", "node2", "node4"}
        finally:
            for daemon in DAEMONS:
                lab.ask(daemon=daemon, command="ready", node="node3")
