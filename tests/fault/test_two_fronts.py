"""Two fronts share the connections out; one goes, and comes back with what it knew then: nobody notices."""

import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import threading

import pytest

from faults import Clients
from labs import PATIENCE, VIP, VIP6, Lab, targets_by_node, until

SIZE = 1_000_000
FRONTS = {"front": ("10.77.0.2", "fd77::2"), "front2": ("10.77.0.4", "fd77::4")}


@pytest.fixture(name="lab", scope="module")
def lab_with_two_fronts(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    for i in range(4):
        (root / ("large%d" % i)).write_bytes(random.Random(i).randbytes(SIZE))
    lab = Lab("fronts", "--fronts", 2, "-n", 3, "--server", "nginx,nginx,node", "--root", root)
    try:
        only_sums_at_node3(lab)
        yield lab
    finally:
        lab.down()


def only_sums_at_node3(lab):
    """Its server, Node, reads uploads to their end, which nginx doesn't, but closes idle connections after 5 s."""
    path = os.path.join(lab.run_folder, "baton.yaml")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("    port: 80\n", "    port: 80\n    nodes: [node1, node2]\n"
                                "    pools: [{name: sums, policy: rr, nodes: [node3]}]\n"
                                "    rules: [{path: /sum/, pool: sums}]\n", 1))
    for front in FRONTS:
        os.kill(lab.pids()[front], signal.SIGHUP)
        until(lambda: lab.ask(daemon(front), command="where", url="http://%s/sum/1" % VIP)["node"] == "node3" and
              known(lab, front), "the rule holds")


def ip(lab, host, *words):
    subprocess.run(["ip", "-n", "baton-%s-%s" % (lab.name, host), *words], check=True)


def route(lab, *fronts):
    """The router knows ways to the VIP by these fronts only."""
    for family, vip, which in (("-4", VIP + "/32", 0), ("-6", VIP6 + "/128", 1)):
        hops = [word for front in fronts for word in ("nexthop", "via", FRONTS[front][which])]
        ip(lab, "router", family, "route", "replace", vip, *hops)


def cable(lab, front, state):
    ip(lab, "switch", "link", "set", "p-" + front, state)


def daemon(front):
    return "front" if front == "front" else "front-" + front


def told(lab, front):
    return lab.ask(daemon(front), command="status")["front"]


def known(lab, front):
    """Whether a front's daemon says that every node is up and goes by it or by the other one."""
    status = lab.ask(daemon(front), command="status")
    return all(node["state"] == "up" and node["connected"] and node["version"] == status["version"]
               for node in status["nodes"])


class Download(threading.Thread):
    """A response of which the client takes a part, and the rest when it is told to."""

    def __init__(self, lab, number):
        super().__init__()
        self.lab, self.number, self.wrong = lab, number, None
        self.begun, self.rest = threading.Event(), threading.Event()
        self.start()

    def run(self):
        try:
            with self.lab.connect(VIP6 if self.number % 3 == 2 else VIP) as connection:
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
                connection.request("/large%d" % (self.number % 4))
                status, headers = connection.response_head()
                body = connection.file.read(20000)
                self.begun.set()
                self.rest.wait(PATIENCE)
                body += connection.file.read(int(headers["content-length"]) - len(body))
                assert status == 200 and body == random.Random(self.number % 4).randbytes(SIZE)
        except Exception as error:  # whatever it is, it is what the test is about
            self.wrong = repr(error)
            self.begun.set()

    def end(self):
        self.join()
        assert self.wrong is None


class Upload:
    """A request's body of which half is sent, and the rest later; its server answers with its sum."""

    def __init__(self, lab, number):
        self.body = random.Random(number).randbytes(400000)
        self.connection = lab.connect()
        self.connection.request("/sum/%d" % number, "POST", ["Content-Length: %d" % len(self.body)])
        self.connection.send(self.body[:200000])

    def end(self):
        self.connection.send(self.body[200000:])
        answer = self.connection.response()
        assert answer.body.decode().split() == [str(len(self.body)), hashlib.sha256(self.body).hexdigest()]


@contextlib.contextmanager
def everything(lab):
    """Connections in every state that there is: under load, idle, in the middle of downloads and uploads. What
    happens to the fronts meanwhile must not be seen by any of them."""
    with lab.connect() as first:
        paths = targets_by_node(first)
    nodes = ["node1", "node2"]
    clients, downloads, uploads, idle = Clients(lab, 6), [], [], []
    try:
        downloads = [Download(lab, i) for i in range(16)]
        uploads = [Upload(lab, i) for i in range(6)]
        for i in range(24):
            idle.append(lab.connect(VIP6 if i % 4 == 3 else VIP))
            assert idle[-1].get(paths[nodes[i % 2]][0]).status == 200
        for download in downloads:
            assert download.begun.wait(PATIENCE)
        clients.go_on()
        yield clients
        # Each goes on: where it is, or with another node.
        for i, connection in enumerate(idle):
            assert connection.get(paths[nodes[(i + i // 2) % 2]][1]).status == 200
        for download in downloads:
            download.rest.set()
        for one in downloads + uploads:
            one.end()
        clients.go_on()
        for i, connection in enumerate(idle):
            assert connection.get(paths[nodes[i % 2]][2]).status == 200
    finally:
        for download in downloads:
            download.rest.set()
        for connection in idle + [upload.connection for upload in uploads]:
            connection.close()
        clients.stop()


@pytest.mark.parametrize("gone", ["front", "front2"])
def test_a_front_is_gone(lab, gone):
    """Its cable is cut, and the router takes its way off."""
    left = next(name for name in FRONTS if name != gone)
    before = {name: told(lab, name) for name in FRONTS}
    try:
        with everything(lab):
            assert all(told(lab, name)["syn"] > before[name]["syn"] for name in FRONTS)  # both had their share
            cable(lab, gone, "down")
            route(lab, left)
        assert told(lab, left)["who_has_found"] - before[left]["who_has_found"] >= 10
    finally:
        cable(lab, gone, "up")
        until(lambda: known(lab, gone), "the front is back")
        route(lab, *FRONTS)


def test_fronts_that_know_less_than_the_other(lab):
    """The router changes its mind again and again while connections move between nodes: each front finds entries in
    its table that the other one has made wrong meanwhile."""
    before = {name: told(lab, name) for name in FRONTS}
    with lab.connect() as first:
        paths = targets_by_node(first)
    nodes = ["node1", "node2"]
    clients, idle = Clients(lab, 6), [lab.connect(VIP6 if i % 4 == 3 else VIP) for i in range(8)]
    try:
        served = {}
        for turn in range(6):
            route(lab, "front2" if turn % 2 else "front")
            for i, connection in enumerate(idle):
                for request in range(2):
                    answer = connection.get(paths[nodes[(i + turn + request) % 2]][turn])
                    assert answer.status == 200
                    served.setdefault(i, set()).add(answer.node)
            clients.go_on()
        assert all(len(seen) > 1 for seen in served.values())
    finally:
        route(lab, *FRONTS)
        for connection in idle:
            connection.close()
        clients.stop()
    after = {name: told(lab, name) for name in FRONTS}
    assert all(after[name]["outdated"] > before[name]["outdated"] for name in FRONTS)
