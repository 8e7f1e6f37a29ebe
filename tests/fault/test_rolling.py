"""What operators do while clients work: every node's server restarted, the cluster's key changed."""

import os
import signal

import pytest

from faults import Clients
from labs import PATIENCE, Lab, run, until


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("rolling", "-n", 3)
    yield lab
    lab.down()


def restart_server(lab, node):
    """Ends the node's nginx as an operator would; the lab starts it again."""
    master = lab.pids()[node + "-server"]
    os.kill(master, signal.SIGQUIT)
    until(lambda: lab.pids().get(node + "-server", master) != master, node + "'s server is started again")
    until(lambda: lab.exec(node, "curl", "-s", "http://127.0.0.1/health").returncode == 0, node + "'s server answers")


def test_all_servers_restarted(lab):
    served = lab.served()
    clients = Clients(lab, 6)
    try:
        clients.go_on()
        for node in ("node1", "node2", "node3"):
            lab.baton("drain", node, "--wait", "--timeout", PATIENCE)
            restart_server(lab, node)
            until(lambda: lab.node(node)["down"] == {}, node + " is found well")
            lab.baton("ready", node)
            clients.go_on()
    finally:
        clients.stop()
    until(lambda: lab.served() >= served + sum(clients.answers), "all requests in the logs")
    assert lab.served() == served + sum(clients.answers)


def test_drain_says_what_is_left():
    lab = Lab("left", "-n", 2)
    try:
        with lab.connect() as connection:
            node = connection.get("/t/1").node
            until(lambda: lab.node(node)["flows"] == 1, "the connection is counted")
            done = lab.baton("drain", node, "--wait", "--timeout", "1s", check=False)
            assert done.returncode == 1
            assert "%s has 1 connections yet, 0 of them pinned, and " % node in done.stderr
            # Its next request moves it, and then nothing is left.
            assert connection.get("/t/1").node != node
            lab.baton("drain", node, "--wait", "--timeout", PATIENCE)
    finally:
        lab.down()


def test_the_key_changed(lab):
    key = os.path.join(lab.run_folder, "key")
    daemons = ("front", "node1", "node2", "node3")
    clients = Clients(lab, 6)
    with open(key) as file:
        first = file.read()

    def step(what, expected):
        run("key", what, key)
        assert os.stat(key).st_mode & 0o777 == 0o600
        for daemon in daemons:
            os.kill(lab.pids()[daemon], signal.SIGHUP)
            clients.go_on()
        until(lambda: {status["front"]["keys"], *(node["keys"] for node in status["nodes"])} == {expected}
              if (status := lab.status()) else False, "all hosts go by the file")
        clients.go_on()

    try:
        slot = lab.status()["front"]["keys"].split("/")[1]
        other = "1" if slot == "0" else "0"
        clients.go_on()
        step("add", "2/" + slot)
        step("swap", "2/" + other)
        step("drop", "1/" + other)
    finally:
        clients.stop()
    with open(key) as file:
        assert file.read() != first
    # Nothing was refused for its key, and nothing of a key is shown.
    status = lab.baton("status", "--json").stdout
    assert first.strip() not in status
    assert lab.status()["front"]["bad_mac"] == 0


def test_key_files(tmp_path):
    key = tmp_path / "key"
    run("key", "new", key)
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_text()) == 65
    assert "there already" in run("key", "new", key, check=False).stderr
    assert "one key only" in run("key", "swap", key, check=False).stderr
    one = key.read_text()
    run("key", "add", key)
    both = key.read_text().splitlines()
    assert both[0] + "\n" == one and int(both[0][-1], 16) % 2 != int(both[1][-1], 16) % 2
    assert "two keys already" in run("key", "add", key, check=False).stderr
    run("key", "swap", key)
    assert key.read_text().splitlines() == both[::-1]
    run("key", "drop", key)
    assert key.read_text() == both[1] + "\n"
    key.chmod(0o640)
    done = run("key", "add", key, check=False)
    assert done.returncode == 1 and "others may read" in done.stderr
    assert run("key", "add", check=False).returncode == 2
