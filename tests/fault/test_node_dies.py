"""A node that is gone from one moment to the next: who had nothing under way goes on elsewhere, all
others learn it at once."""

import os
import random
import signal
import socket
import subprocess

import pytest

from labs import Lab, targets_by_node, until, where

SIZE = 3_000_000


@pytest.fixture(name="lab", scope="module")
def lab_that_looks_often(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "large").write_bytes(random.Random(1).randbytes(SIZE))
    (root / "t").mkdir()
    for i in range(64):
        (root / "t" / str(i)).write_text("/t/%d\n" % i)
    lab = Lab("dies", "-n", 3, "--root", root)
    for service in ("web", "secure"):
        lab.baton("service", "set", service, "--interval", "200ms", "--timeout", "2s", "--fall", "2")
    yield lab
    lab.down()


def cable(lab, node, state):
    """Plugs a node's cable out or in: as if the host was gone."""
    subprocess.run(["ip", "-n", "baton-%s-switch" % lab.name, "link", "set", "p-" + node, state], check=True)


def state(lab, node):
    return lab.node(node)["state"]


def back(lab, node):
    """The node is up, and has all of its share again."""
    cable(lab, node, "up")
    until(lambda: state(lab, node) == "up" and lab.node(node)["connected"], node + " is up")
    until(lambda: lab.node(node)["share"] == 1, node + " has its share")


def fronts(lab):
    return lab.status()["front"]


def test_a_host_is_gone(lab):
    with lab.connect() as first:
        paths = targets_by_node(first)
    victim = where(lab, "/large")
    before = fronts(lab)
    quiet = [lab.connect() for _ in range(10)]
    for i, connection in enumerate(quiet):
        assert connection.get(paths[victim][i % len(paths[victim])]).node == victim
    # Each has been quiet once more than what may have been told already.
    until(lambda: fronts(lab)["checkpoints"] >= before["checkpoints"] + len(quiet), "the front knows that they are quiet")
    busy = []
    for _ in range(10):
        connection = lab.connect()
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        connection.request("/large")
        assert connection.response_head()[1]["x-node"] == victim
        busy.append(connection)
    try:
        cable(lab, victim, "down")
        # Nobody of these says anything more by itself: they are told.
        for connection in busy:
            with pytest.raises(ConnectionResetError):
                while connection.socket.recv(1 << 20):
                    pass
        assert state(lab, victim) == "down"
        with lab.connect() as fresh:
            assert fresh.get(paths[victim][0]).node != victim
        for connection in quiet:
            answer = connection.get(paths[victim][0])
            assert answer.node != victim and answer.body == paths[victim][0].encode() + b"\n"
            answer = connection.get(paths[victim][1])
            assert answer.node != victim and answer.body == paths[victim][1].encode() + b"\n"
        after = fronts(lab)
        assert after["revived"] - before["revived"] == len(quiet)
    finally:
        for connection in [*quiet, *busy]:
            connection.close()
        back(lab, victim)


def test_a_request_under_way_is_not_run_again(lab):
    """The node had got the request when it went: the client is told, and nobody else runs it."""
    with lab.connect() as first:
        paths = targets_by_node(first)
    victim = where(lab, paths["node2"][0])
    before = fronts(lab)
    with lab.connect() as connection:
        assert connection.get(paths[victim][0]).node == victim
        until(lambda: fronts(lab)["checkpoints"] > before["checkpoints"], "the front knows that it is quiet")
        # Sent while the node still counts as up: it may have come there.
        daemon = lab.pids()["front"]
        os.kill(daemon, signal.SIGSTOP)
        cable(lab, victim, "down")
        connection.request(paths[victim][1])
        os.kill(daemon, signal.SIGCONT)
        try:
            with pytest.raises(ConnectionResetError):
                connection.socket.recv(1)
            assert fronts(lab)["revived"] == before["revived"]
        finally:
            back(lab, victim)


def test_a_server_is_gone(lab):
    """Its kernel closes the connections; the next ones go elsewhere."""
    with lab.connect() as first:
        paths = targets_by_node(first)
    with lab.connect() as connection:
        assert connection.get(paths["node3"][0]).node == "node3"
        os.killpg(lab.pids()["node3-server"], signal.SIGSTOP)
        try:
            until(lambda: where(lab, paths["node3"][0]) != "node3", "targets of the stopped server go elsewhere")
            with lab.connect() as other:
                assert other.get(paths["node3"][0]).node != "node3"
        finally:
            os.killpg(lab.pids()["node3-server"], signal.SIGCONT)
    back(lab, "node3")
