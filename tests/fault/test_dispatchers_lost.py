"""Dispatchers on hosts of their own that die, stand still, begin anew or are gone: requests go by hash
meanwhile, and no client sees an error."""

import os
import signal
import subprocess

import pytest

from faults import Clients, kill
from labs import Lab, run, until


@pytest.fixture(name="lab", scope="module", params=["lard", "ds"])
def lab_of_policy(request):
    lab = Lab("lost", "-n", 3, "--dispatchers", 2, "--policy", request.param)
    yield lab
    lab.down()


@pytest.fixture(name="clients")
def working_clients(lab):
    clients = Clients(lab, 4)
    clients.go_on()
    yield clients
    clients.stop()


def dispatcher(lab, number):
    return next(each for each in lab.status()["dispatchers"] if each["name"] == "dispatcher%d" % number)


def pins(lab, number):
    return "/sys/fs/bpf/baton/%s/dispatcher-dispatcher%d" % (lab.name, number)


def cable_of(lab, number):
    return ["ip", "-n", "baton-%s-switch" % lab.name, "link", "set", "p-dispatcher%d" % number]


def asked(lab, number):
    """What the program itself has counted, whatever its daemon does."""
    counters = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", pins(lab, number) + "/front_counters"],
                              capture_output=True, check=True, text=True)
    return counters.stdout


def answers_again(lab, clients, number):
    """Waits until the front asks the dispatcher and hears of it; clients work all the while."""
    until(lambda: clients.wrong or dispatcher(lab, number)["answers"], "the dispatcher is back")
    before = asked(lab, number)
    until(lambda: clients.wrong or asked(lab, number) != before, "it is asked")
    clients.go_on()


def by_hash(lab):
    """Requests of front and nodes that went by hash, or where they were, for want of an answer."""
    status = lab.status()
    return sum(status["front"]["fallback_" + why] for why in ("dispatcher", "unanswered")) + sum(
        node["counters"].get("fallback_dispatcher", 0) + node["counters"].get("unanswered", 0)
        for node in status["nodes"])


def test_daemon_killed(lab, clients):
    """The program stays and answers."""
    before = asked(lab, 1)
    kill(lab, "dispatcher1")
    clients.go_on()
    until(lambda: clients.wrong or asked(lab, 1) != before, "its program answers")
    answers_again(lab, clients, 1)


def test_daemon_stands_still(lab, clients):
    pid = lab.pids()["dispatcher1"]
    os.kill(pid, signal.SIGSTOP)
    try:
        before = asked(lab, 1)
        clients.go_on()
        until(lambda: clients.wrong or asked(lab, 1) != before, "its program answers")
    finally:
        os.kill(pid, signal.SIGCONT)
    answers_again(lab, clients, 1)


def test_begun_anew(lab, clients):
    """Program and table are gone as well; a new one begins with an empty table."""
    run("dispatcher", "--detach", "-c", os.path.join(lab.run_folder, "baton.yaml"), "--name", "dispatcher1")
    kill(lab, "dispatcher1")
    clients.go_on()
    until(lambda: os.path.exists(pins(lab, 1) + "/link_xdp"), "the program is there again")
    answers_again(lab, clients, 1)


def test_host_gone(lab, clients):
    before = by_hash(lab)
    cable = cable_of(lab, 1)
    subprocess.run([*cable, "down"], check=True)
    try:
        until(lambda: clients.wrong or not dispatcher(lab, 1)["answers"], "the front sees that nobody answers")
        clients.go_on()
        until(lambda: clients.wrong or by_hash(lab) > before, "requests go by hash")
        # The other one's targets are still its own.
        other = asked(lab, 2)
        until(lambda: clients.wrong or asked(lab, 2) != other, "the other one is asked")
    finally:
        subprocess.run([*cable, "up"], check=True)
    answers_again(lab, clients, 1)


def test_host_gone_while_the_front_keeps_requests(lab):
    """First requests in several segments, about which the front's daemon asks: by hash, each counted."""
    before = lab.status()["front"]
    for number in (1, 2):
        subprocess.run([*cable_of(lab, number), "down"], check=True)
    try:
        for number in range(6):
            with lab.connect() as connection:
                connection.send(b"GET /t/%d HTTP/1.1\r\nCookie: %s\r\nHost: a\r\n\r\n" % (number, b"c" * 6000))
                assert connection.response().status == 200
    finally:
        for number in (1, 2):
            subprocess.run([*cable_of(lab, number), "up"], check=True)
    after = lab.status()["front"]
    assert after["slow_placed"] == before["slow_placed"] + 6
    assert sum(after["fallback_" + why] - before["fallback_" + why] for why in ("dispatcher", "unanswered")) == 6
