"""Daemons killed and started again while clients work; servers that close when they like."""

import os
import random
import signal
import threading

import pytest

from faults import Clients, kill, whole
from labs import Lab, until


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("killed", "-n", 3)
    yield lab
    lab.down()


def test_daemons_killed_under_load(lab):
    clients = Clients(lab, 8)
    try:
        clients.go_on()
        for daemon in ("front", "node1", "node2", "node3", "front"):
            kill(lab, daemon)
            clients.go_on()
            until(lambda: whole(lab), "the cluster is whole again")
            clients.go_on()
        for daemon in ("front", "node1", "node2", "node3"):
            os.kill(lab.pids()[daemon], signal.SIGKILL)
        clients.go_on()
        until(lambda: whole(lab), "the cluster is whole again")
        clients.go_on()
    finally:
        clients.stop()
    assert {host: text for host, text in lab.server_errors().items() if text} == {}


def test_servers_that_close_idle_connections(lab):
    """Whatever a server runs is answered: nothing is lost between its closing and our moving."""
    for node in ("node1", "node2", "node3"):
        conf = "%s/conf/%s.conf" % (lab.run_folder, node)
        with open(conf) as file:
            text = file.read()
        with open(conf, "w") as file:
            file.write(text.replace("sendfile on;", "sendfile on; keepalive_timeout 20ms;"))
        os.kill(lab.pids()[node + "-server"], signal.SIGHUP)
    # The old worker closes what is idle when the new one is there.
    until(lambda: closes_soon(lab), "servers close idle connections")
    before, answered = lab.served(), 0
    rng = random.Random(20)
    for _ in range(40):
        with lab.connect() as connection:
            try:
                for _ in range(12):
                    path = "/t/%d" % rng.randrange(100000)
                    answer = connection.get(path)
                    assert answer.body == path.encode() + b"\n"
                    answered += 1
                    threading.Event().wait(rng.uniform(0.017, 0.022))
            except (AssertionError, ConnectionError) as error:
                assert "no response but b''" in str(error) or isinstance(error, ConnectionError)
    assert answered >= 40
    until(lambda: lab.served() >= before + answered, "all in the logs")
    assert lab.served() == before + answered


def closes_soon(lab):
    for i in range(6):
        with lab.connect() as connection:
            connection.get("/t/soon%d" % i)
            connection.socket.settimeout(1)
            try:
                if connection.socket.recv(1):
                    return False
            except TimeoutError:
                return False
    return True
