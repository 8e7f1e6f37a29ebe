"""The one front's host: replaced by another that knows nothing, cut off for a while, gone at once with a node's."""

import concurrent.futures
import fcntl
import os
import random
import select
import socket
import subprocess
import termios
import time

import pytest

from faults import Clients, kill, whole
from labs import PATIENCE, VIP, VIP6, Lab, run, until, where

SIZE = 3_000_000
CUT = 3  # seconds that a cable is out: longer than a check may take


@pytest.fixture(name="lab", scope="module")
def lab_that_looks_often(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "large").write_bytes(random.Random(1).randbytes(SIZE))
    (root / "t").mkdir()
    for i in range(100):
        (root / "t" / str(i)).write_text("/t/%d\n" % i)
    lab = Lab("host", "-n", 3, "--root", root)
    for service in ("web", "secure"):
        lab.baton("service", "set", service, "--interval", "200ms", "--timeout", "2s", "--fall", "2")
    yield lab
    lab.down()


def cable(lab, host, state):
    subprocess.run(["ip", "-n", "baton-%s-switch" % lab.name, "link", "set", "p-" + host, state], check=True)


def replace(lab):
    """Another host in the front's place: no program, no table, no counters, until its daemon has loaded them."""
    run("front", "--detach", "-c", os.path.join(lab.run_folder, "baton.yaml"))
    kill(lab, "front")
    until(lambda: started(lab), "the new front is there")


def started(lab):
    """Whether the front's daemon has loaded its program, filled its maps, and answers."""
    try:
        return lab.ask(command="status")
    except OSError:
        return False


class Download:
    """A response of which the client takes a part only."""

    def __init__(self, lab, address=VIP):
        self.connection = lab.connect(address)
        self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.connection.request("/large")
        self.status, headers = self.connection.response_head()
        self.node, self.size = headers["x-node"], int(headers["content-length"])

    def rest(self):
        return self.connection.file.read(self.size)

    def keep_alive(self):
        """From now on the client says each second that it is there."""
        self.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2 * PATIENCE)):
            self.connection.socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def full(self):
        """Waits until the client's buffer takes nothing more: what it says next is that there is room again."""
        last = [-1]

        def still():
            queued = int.from_bytes(
                fcntl.ioctl(self.connection.socket, termios.FIONREAD, bytes(4)), "little")
            same, last[0] = queued == last[0], queued
            return same and queued > 8192
        until(still, "the client's buffer is full")


def test_replaced(lab):
    """Connections idle and in the middle of downloads."""
    idle = [lab.connect(VIP6 if i % 4 == 3 else VIP) for i in range(12)]
    for i, connection in enumerate(idle):
        connection.get("/t/%d" % i)
    downloads = [Download(lab, VIP6 if i % 4 == 3 else VIP) for i in range(8)]
    cable(lab, "front", "down")
    try:
        replace(lab)
    finally:
        cable(lab, "front", "up")
    for i, connection in enumerate(idle):
        assert connection.get("/t/%d" % (i + 50)).body == b"/t/%d\n" % (i + 50)
        connection.close()
    with concurrent.futures.ThreadPoolExecutor(len(downloads)) as pool:
        bodies = list(pool.map(Download.rest, downloads))
    assert bodies == [random.Random(1).randbytes(SIZE)] * len(downloads)
    for download in downloads:
        download.connection.close()
    assert lab.status()["front"]["who_has_found"] >= len(idle) + len(downloads)
    until(lambda: whole(lab), "the cluster is whole again")


def test_cut_off(lab):
    """The cable out and in again: what that tells of the nodes is nothing, and everything goes on."""
    clients = Clients(lab, 4)
    try:
        clients.go_on()
        before = {node["name"]: node["state"] for node in lab.status()["nodes"]}
        cable(lab, "front", "down")
        try:
            time.sleep(CUT)
            assert {node["name"]: node["state"] for node in lab.status()["nodes"]} == before
        finally:
            cable(lab, "front", "up")
        clients.go_on()
        until(lambda: whole(lab), "the cluster is whole again")
    finally:
        clients.stop()


def test_gone_with_a_node(lab):
    """Nobody knows of these connections any more: their clients are told at the next thing they say."""
    downloads = [Download(lab) for _ in range(8)]
    for download in downloads:
        download.full()
        download.keep_alive()
    victim = where(lab, "/large")
    cable(lab, "front", "down")
    cable(lab, victim, "down")
    try:
        replace(lab)
        cable(lab, "front", "up")
        until(lambda: lab.node(victim)["state"] == "down", "the node counts as down")
        assert {download.node for download in downloads} == {victim}
        # Acknowledgements are all that they say. One in 128 is of a number that looks like a SYN-ACK's, and hears
        # nothing.
        told, deadline = 0, time.monotonic() + PATIENCE
        waiting = {download.connection.socket for download in downloads}
        while told < len(downloads) // 2:
            ready, _, _ = select.select(waiting, [], [], max(0, deadline - time.monotonic()))
            assert ready, "%d of %d were told" % (told, len(downloads))
            for one in ready:
                try:
                    assert one.recv(65536), "ended, as if that was all"
                except ConnectionResetError:
                    told += 1
                    waiting.discard(one)
    finally:
        for download in downloads:
            download.connection.close()
        cable(lab, "front", "up")
        cable(lab, victim, "up")
        until(lambda: whole(lab), "the cluster is whole again")
