"""The wall clock of all daemons and servers is set by a day, there and back, while clients work: only what is written
with a date changes."""

import json
import os
import signal
import subprocess
import time

import pytest

from faults import Clients, kill, whole
from labs import ROOT, Lab, run, until
from test_front_host import cable, replace

DAY = 86400
SHIM = os.path.join(ROOT, "tests/fault/step_clock.c")


@pytest.fixture(name="clock", scope="module")
def file_of_the_clock(tmp_path_factory):
    path = tmp_path_factory.mktemp("clock") / "step"
    path.write_text("0\n")
    return path


@pytest.fixture(name="lab", scope="module")
def lab_with_its_own_clock(clock):
    shim = str(clock.parent / "step_clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, SHIM], check=True)
    # The daemons, and whoever starts them again, have it from the lab's beginning.
    os.environ.update(LD_PRELOAD=shim, STEP_CLOCK=str(clock))
    try:
        lab = Lab("clock", "-n", 2, "--log", "json")
    finally:
        del os.environ["LD_PRELOAD"], os.environ["STEP_CLOCK"]
    yield lab
    lab.down()


def last_times(lab):
    """When the latest request of each node's log was, in seconds from now."""
    found = []
    for node in ("node1", "node2"):
        with open("%s/log/%s.requests" % (lab.run_folder, node)) as file:
            said = json.loads(file.readlines()[-1])["time"]
        found.append(calendar_seconds(said) - time.time())
    return found


def calendar_seconds(text):
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def samples(lab):
    """How many seconds the page's history tells of."""
    done = lab.exec("front", "curl", "-s", "--max-time", 10, "http://127.0.0.1:7780/api/history")
    return len(json.loads(done.stdout)["seconds"]) if done.returncode == 0 else 0


def keys(lab):
    """How many keys each host has, and which of them it signs with."""
    status = lab.status()
    return {"front": status["front"]["keys"], **{node["name"]: node["keys"] for node in status["nodes"]}}


@pytest.mark.parametrize("step", [DAY, -DAY], ids=["forward", "backward"])
def test_the_clock_is_set(lab, clock, step):
    clients = Clients(lab, 4)
    try:
        clients.go_on()
        clock.write_text("%d\n" % step)
        clients.go_on()
        until(lambda: all(abs(off - step) < DAY / 4 for off in last_times(lab)), "the log tells the new time")
        # Who begins under the new time fits with who began before.
        for daemon in ("node1", "front"):
            kill(lab, daemon)
            clients.go_on()
        until(lambda: whole(lab), "the cluster is whole again")
        # A new front's history begins empty, and has to grow.
        until(lambda: samples(lab) >= 2, "the page's history grows")
        slot = keys(lab)["front"].split("/")[1]
        other = "10"[int(slot)]
        for change, expected in (("add", "2/" + slot), ("swap", "2/" + other), ("drop", "1/" + other)):
            run("key", change, os.path.join(lab.run_folder, "key"))
            for daemon in ("front", "node1", "node2"):
                os.kill(lab.pids()[daemon], signal.SIGHUP)
            until(lambda: set(keys(lab).values()) == {expected}, "all hosts go by the file")
            clients.go_on()
        clock.write_text("0\n")
        clients.go_on()
        until(lambda: all(abs(off) < DAY / 4 for off in last_times(lab)), "the log tells the time of before")
        until(lambda: whole(lab), "the cluster is whole again")
    finally:
        clock.write_text("0\n")
        clients.stop()
    front = lab.status()["front"]
    assert front["cookies_bad"] == 0 and front["bad_mac"] == 0


@pytest.mark.parametrize("step", [DAY, 0], ids=["forward", "backward"])
def test_a_front_that_begins_under_another_time(lab, clock, step):
    """Its cluster time is a day off what nodes and connections go by, until they have learnt it."""
    kept = [lab.connect() for _ in range(6)]
    try:
        for i, connection in enumerate(kept):
            assert connection.get("/t/%d" % i).status == 200
        clock.write_text("%d\n" % step)
        cable(lab, "front", "down")
        try:
            replace(lab)
        finally:
            cable(lab, "front", "up")
        for i, connection in enumerate(kept):
            assert connection.get("/t/%d" % (i + 50)).status == 200
        until(lambda: whole(lab), "the cluster is whole again")
        with lab.connect() as connection:
            assert connection.get("/t/1").status == 200
    finally:
        for connection in kept:
            connection.close()
