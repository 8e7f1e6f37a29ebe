"""A front whose table of flows is empty finds each flow's node at its next segment."""

import glob
import json
import os
import random
import signal
import socket
import subprocess
import threading

import pytest

from faults import Clients
from labs import PATIENCE, VIP, VIP6, Lab, targets_by_node, until

SIZE = 3_000_000


@pytest.fixture(name="lab", scope="module")
def lab_with_large_files(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    for i in range(4):
        (root / ("large%d" % i)).write_bytes(random.Random(i).randbytes(SIZE))
    with open(root / "endless", "wb") as file:  # more than fits between a server and a client
        file.truncate(64 << 20)
    lab = Lab("forgets", "-n", 3, "--root", root)
    yield lab
    lab.down()


def table(lab):
    """The front's table of flows, pinned."""
    return glob.glob("/sys/fs/bpf/baton/%s/front/flows" % lab.name)[0]


def bpftool(*words):
    done = subprocess.run(["/usr/sbin/bpftool", "-j", "map", *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "[]")


def forget(lab):
    """Every entry goes, as if the front were another host from one moment to the next."""
    for entry in bpftool("dump", "pinned", table(lab)):
        subprocess.run(["/usr/sbin/bpftool", "map", "delete", "pinned", table(lab), "key", "hex",
                        *[byte.removeprefix("0x") for byte in entry["key"]]], capture_output=True, check=False)


def fronts(lab):
    return lab.status()["front"]


def test_idle_connections(lab):
    before = fronts(lab)
    with lab.connect() as first:
        paths = targets_by_node(first)
    connections = [lab.connect(VIP6 if i % 4 == 3 else VIP) for i in range(24)]
    try:
        nodes = sorted(paths)
        for i, connection in enumerate(connections):
            assert connection.get(paths[nodes[i % 3]][0]).node == nodes[i % 3]
        forget(lab)
        # The next request is for where the connection is, or for another node.
        for i, connection in enumerate(connections):
            wanted = nodes[(i + i // 3) % 3]
            assert connection.get(paths[wanted][1]).node == wanted
        for i, connection in enumerate(connections):
            assert connection.get(paths[nodes[i % 3]][2]).node == nodes[i % 3]
    finally:
        for connection in connections:
            connection.close()
    after = fronts(lab)
    assert after["who_has_found"] - before["who_has_found"] >= len(connections)
    assert after["who_has_nobody"] == before["who_has_nobody"]


def test_downloads(lab):
    """Connections in the middle of a response: the client only acknowledges."""
    wrong, begun = [], threading.Barrier(13)
    forgotten = threading.Event()

    def download(number):
        try:
            with lab.connect() as connection:
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
                connection.request("/large%d" % (number % 4))
                status, headers = connection.response_head()
                body = connection.file.read(20000)
                begun.wait(PATIENCE)
                forgotten.wait(PATIENCE)
                body += connection.file.read(int(headers["content-length"]) - len(body))
                assert status == 200 and body == random.Random(number % 4).randbytes(SIZE)
        except Exception as error:  # whatever it is, it is what the test is about
            wrong.append(repr(error))
            begun.abort()

    before = fronts(lab)
    threads = [threading.Thread(target=download, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    begun.wait(PATIENCE)
    forget(lab)
    forgotten.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert fronts(lab)["who_has_found"] - before["who_has_found"] >= 12


def test_under_load(lab):
    """Requests that switch nodes all the time, while the front forgets again and again."""
    served = lab.served()
    clients = Clients(lab, 6)
    try:
        for _ in range(6):
            clients.go_on()
            forget(lab)
    finally:
        clients.stop()
    # Every request was run, and run once.
    until(lambda: lab.served() >= served + sum(clients.answers), "all requests in the logs")
    assert lab.served() == served + sum(clients.answers)


def workers(lab, node):
    master = lab.pids()[node + "-server"]
    with open("/proc/%d/task/%d/children" % (master, master)) as file:
        return [int(pid) for pid in file.read().split()]


def test_a_reset_by_the_server(lab):
    """The front sees nothing of it, so the node says that the flow is over."""
    before = fronts(lab)["releases"]
    with lab.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        connection.request("/endless")
        node = connection.response_head()[1]["x-node"]
        # Bytes that the server has no reason to read yet; killed with them unread, it resets.
        connection.request("/t/1")
        until(lambda: any(int(line.split()[1]) for line in lab.server_sockets(node)), "bytes wait for the server")
        for pid in workers(lab, node):
            os.kill(pid, signal.SIGKILL)
        until(lambda: fronts(lab)["releases"] > before, "the front is told")
    until(lambda: workers(lab, node), "the server has workers again")
