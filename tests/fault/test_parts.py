"""Parts that stand still, come back with another address, or get a narrower path, while clients work."""

import contextlib
import os
import signal
import socket
import subprocess
import time

import pytest

from faults import Clients, kill, whole
from labs import CLONE_NEWNET, LIBC, PATIENCE, VIP, Lab, run, until

STILL = 3  # seconds


@pytest.fixture(name="lab", scope="module")
def parts_lab():
    lab = Lab("parts", "-n", 3)
    # A server that stands still for a moment is not to count as down, however slow this machine is.
    try:
        run("service", "set", "--name", lab.name, "web", "--fall", 100)
        yield lab
    finally:
        lab.down()


@contextlib.contextmanager
def stopped(lab, process):
    """The process and its children stand still meanwhile."""
    pid = lab.pids()[process]
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        family = [pid, *map(int, children.read().split())]
    for one in family:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            os.kill(one, signal.SIGCONT)


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


def host(lab, name):
    return "baton-%s-%s" % (lab.name, name)


@pytest.mark.parametrize("daemon", ["front", "node1"])
def test_a_daemon_stands_still(lab, daemon):
    """No packet goes through it: clients notice nothing, before, during and after."""
    clients = Clients(lab, 6)
    try:
        clients.go_on()
        with stopped(lab, daemon):
            clients.go_on()
            clients.go_on()
        clients.go_on()
        until(lambda: whole(lab), "the cluster is whole again")
    finally:
        clients.stop()
    assert {host: text for host, text in lab.server_errors().items() if text} == {}


def test_a_server_stands_still_for_a_moment(lab):
    """Its clients wait for it, as without a cluster; nobody loses anything, and the others go on."""
    clients = Clients(lab, 6)
    try:
        clients.go_on()
        with stopped(lab, "node2-server"):
            with lab.connect() as connection:
                elsewhere = next(path for path in ("/t/still%d" % i for i in range(100))
                                 if lab.ask(command="where", url="http://%s%s" % (VIP, path))["node"] != "node2")
                assert connection.get(elsewhere).status == 200
        clients.go_on()
        until(lambda: whole(lab), "the cluster is whole again")
        clients.go_on()
    finally:
        clients.stop()


def cable(lab, name, state):
    ip("-n", host(lab, "switch"), "link", "set", "p-" + name, state)


def test_a_nodes_host_stands_still(lab):
    """Its processes and its cable, for less than checks allow: its clients wait, and go on."""
    clients = Clients(lab, 6)
    try:
        clients.go_on()
        with stopped(lab, "node2"), stopped(lab, "node2-server"):
            cable(lab, "node2", "down")
            try:
                time.sleep(STILL)
            finally:
                cable(lab, "node2", "up")
        clients.go_on()
        until(lambda: whole(lab), "the cluster is whole again")
        clients.go_on()
    finally:
        clients.stop()


def answers(lab, node):
    try:
        return lab.node_status(node)
    except OSError:
        return False


def test_a_nodes_host_begins_anew(lab):
    """No socket, no program, no table any more, and back before it counted as down: its clients are told at once."""
    kept = [lab.connect() for _ in range(12)]
    path = next(path for path in ("/t/anew%d" % i for i in range(100))
                if lab.ask(command="where", url="http://%s%s" % (VIP, path))["node"] == "node2")
    try:
        for connection in kept:
            assert connection.get(path).node == "node2"
        cable(lab, "node2", "down")
        try:
            server = lab.pids()["node2-server"]
            os.killpg(server, signal.SIGKILL)
            lab.exec("node2", "ss", "-K", "-Htan", "sport", "=", ":80")
            assert lab.server_sockets("node2") == []
            run("node", "--detach", "-c", os.path.join(lab.run_folder, "baton.yaml"), "--name", "node2")
            kill(lab, "node2")
            until(lambda: lab.pids().get("node2-server", server) != server, "its server is started again")
            until(lambda: answers(lab, "node2"), "its daemon answers")
        finally:
            cable(lab, "node2", "up")
        until(lambda: whole(lab), "the cluster is whole again")
        for connection in kept:
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                connection.get(path)
        with lab.connect() as connection:
            assert connection.get(path).status == 200
    finally:
        for connection in kept:
            connection.close()


def test_a_node_with_another_address_on_its_cable(lab):
    """A new card, or a virtual machine that moved: the front asks for it again and finds it."""
    clients = Clients(lab, 6)
    try:
        clients.go_on()
        before = lab.node("node3")["requests"]
        # What a host does that takes its address to another card.
        ip("-n", host(lab, "node3"), "link", "set", "eth0", "address", "02:00:00:77:77:03")
        lab.exec("node3", "ping", "-c", "1", "-W", "5", "10.77.0.2")
        until(lambda: "02:00:00:77:77:03" in lab.exec("front", "ip", "neighbour", "show", "10.77.0.13").stdout,
              "the front's kernel knows the address")
        clients.go_on()
        until(lambda: lab.node("node3")["requests"] > before + 20, "node 3 is asked at its new address")
        until(lambda: whole(lab), "the cluster is whole again")
    finally:
        clients.stop()


@pytest.fixture(name="far")
def far_client(lab):
    """A client behind a router, whose own cable takes packets of 1,280 bytes only."""
    far, router = host(lab, "far"), host(lab, "client")
    ip("netns", "add", far)
    try:
        ip("-n", far, "link", "set", "lo", "up")
        ip("-n", router, "link", "add", "far", "type", "veth", "peer", "name", "eth0", "netns", far)
        for netns, device, address in ((router, "far", "10.78.0.1/24"), (far, "eth0", "10.78.0.2/24")):
            ip("-n", netns, "addr", "add", address, "dev", device)
            ip("-n", netns, "link", "set", device, "up")
        ip("-n", far, "route", "add", "default", "via", "10.78.0.1")
        lab.exec("client", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for name in ("front", "node1", "node2", "node3"):
            ip("-n", host(lab, name), "route", "add", "10.78.0.0/24", "via", "10.77.0.1")
        yield far
    finally:
        ip("netns", "del", far)
        for name in ("front", "node1", "node2", "node3"):
            subprocess.run(["ip", "-n", host(lab, name), "route", "del", "10.78.0.0/24"], check=False,
                           capture_output=True)


def test_a_path_that_becomes_narrower(lab, far):
    """The router can't pass what the node sends and says so to the VIP: the front passes that on to the node that has
    the flow, whose kernel sends smaller segments. The client's own stack knows nothing of it."""
    with open("/proc/thread-self/ns/net") as back, open("/run/netns/" + far) as there:
        assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0
        try:
            client = socket.create_connection((VIP, 80), PATIENCE)
        finally:
            assert LIBC.setns(back.fileno(), CLONE_NEWNET) == 0
    with client, client.makefile("rb") as answers:
        before = lab.status()["front"]["icmp"]
        assert get_whole(client, answers, b"/t/wide") == b"/t/wide\n"
        ip("-n", host(lab, "client"), "link", "set", "far", "mtu", 1280)
        body = get_whole(client, answers, b"/1MB")
        assert len(body) == 1000000
        assert lab.status()["front"]["icmp"] > before
        # And on a connection that moves, each owner learns it by itself.
        for i in range(12):
            assert len(get_whole(client, answers, b"/100KB?%d" % i)) == 100000


def get_whole(client, answers, path):
    client.sendall(b"GET %s HTTP/1.1\r\nHost: cluster\r\n\r\n" % path)
    assert answers.readline().startswith(b"HTTP/1.1 200")
    lengths = [int(line.split(b":")[1]) for line in iter(answers.readline, b"\r\n")
               if line.lower().startswith(b"content-length")]
    return answers.read(lengths[0])


def test_the_origin_of_caches(tmp_path):
    """Killed, standing still, back again: what caches hold they go on serving; what they don't is their own word about
    the origin, and theirs again when it is back."""
    (tmp_path / "held").write_text("held\n")
    (tmp_path / "missing").write_text("missing\n")
    os.chmod(tmp_path, 0o755)
    lab = Lab("origin", "-n", 2, "--server", "squid", "--origin", tmp_path)
    try:
        with lab.connect() as connection:
            assert connection.get("/held").body == b"held\n"
            with stopped(lab, "origin-server"):
                assert connection.get("/held").body == b"held\n"
            os.kill(lab.pids()["origin-server"], signal.SIGKILL)
            assert connection.get("/held").body == b"held\n"
            answer = connection.get("/missing")
            assert answer.status in (200, 502, 503, 504)  # 200: it is back already

        def served():
            with lab.connect() as fresh:
                return fresh.get("/missing?again", headers=["Cache-Control: no-cache"]).status == 200
        until(served, "the origin is back and asked")
    finally:
        lab.down()
