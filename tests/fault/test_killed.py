"""Daemons killed and started again while clients work; servers that close when they like."""

import os
import random
import signal
import threading

import pytest

from labs import Lab, until


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("killed", "-n", 3)
    yield lab
    lab.down()


class Clients:
    """Connections that ask for random targets until told to stop; any wrong answer is kept."""

    def __init__(self, lab, count):
        self.stopping = threading.Event()
        self.answers, self.wrong = [0] * count, []
        self.threads = [threading.Thread(target=self.work, args=(lab, i)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, lab, number):
        rng = random.Random(number)
        try:
            while not self.stopping.is_set():
                # Now and then a new connection: first handoffs are part of the life.
                with lab.connect() as connection:
                    for _ in range(50):
                        path = "/t/%d" % rng.randrange(100000)
                        answer = connection.get(path)
                        assert answer.status == 200 and answer.body == path.encode() + b"\n"
                        self.answers[number] += 1
        except Exception as error:  # whatever it is, it is what the test is about
            self.wrong.append(repr(error))

    def go_on(self, lab):
        """Waits until every client has got fifty answers more."""
        goals = [count + 50 for count in self.answers]
        until(lambda: self.wrong or all(count >= goal for count, goal in zip(self.answers, goals)),
              "clients go on")
        assert self.wrong == []

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert self.wrong == []


def kill(lab, daemon):
    """Kills a daemon and waits until its successor answers."""
    before = lab.pids()[daemon]
    os.kill(before, signal.SIGKILL)
    until(lambda: lab.pids().get(daemon, before) != before, daemon + " is started again")


def whole(lab):
    """Whether every node is up and goes by the front's version of the cluster."""
    try:
        status = lab.ask(command="status")
    except OSError:
        return False
    return all(node["state"] == "up" and node["connected"] and node["version"] == status["version"]
               for node in status["nodes"])


def test_daemons_killed_under_load(lab):
    clients = Clients(lab, 8)
    try:
        clients.go_on(lab)
        for daemon in ("front", "node1", "node2", "node3", "front"):
            kill(lab, daemon)
            clients.go_on(lab)
            until(lambda: whole(lab), "the cluster is whole again")
            clients.go_on(lab)
        for daemon in ("front", "node1", "node2", "node3"):
            os.kill(lab.pids()[daemon], signal.SIGKILL)
        clients.go_on(lab)
        until(lambda: whole(lab), "the cluster is whole again")
        clients.go_on(lab)
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
