"""`baton top`, as a person uses it: in a terminal of 80 columns, with the keyboard."""

import json
import os
import shutil
import subprocess
import time

import pytest

BATON = os.environ.get("BATON", "build/baton")
NAME = "top%d" % os.getpid()


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def tmux(*words):
    return run("tmux", "-L", NAME, *words)


def await_screen(wanted, unwanted=None):
    """The screen, once `wanted` is on it and `unwanted` is not."""
    end = time.monotonic() + 30
    while True:
        screen = tmux("capture-pane", "-p")
        if wanted in screen and (not unwanted or unwanted not in screen):
            return screen
        assert time.monotonic() < end, screen
        time.sleep(0.05)


def state(node):
    nodes = json.loads(run(BATON, "status", "--name", NAME, "--json"))["nodes"]
    return next(entry["state"] for entry in nodes if entry["name"] == node)


@pytest.fixture(scope="module")
def screen():
    if not shutil.which("tmux"):
        pytest.skip("tmux is not installed")
    run(BATON, "lab", "up", "--name", NAME, "-n", "2")
    # A late check, on a loaded machine, is to take no node out.
    run(BATON, "service", "set", "web", "--health", "none", "--name", NAME)
    tmux("new-session", "-d", "-x", "80", "-y", "12", "%s top --name %s -d 200ms; read end" % (BATON, NAME))
    yield
    subprocess.run(["tmux", "-L", NAME, "kill-server"], capture_output=True)
    run(BATON, "lab", "down", "--name", NAME)


def test_shows_nodes_within_80_columns(screen):
    lines = await_screen("quit").splitlines()  # the last line: the screen is whole
    assert lines[0].startswith("baton top  " + NAME)
    assert lines[3].endswith("P99us")
    assert lines[4].split()[:2] == ["node1", "up"]


def test_drains_and_readies_from_the_keyboard(screen):
    await_screen("node2")
    tmux("send-keys", "Down", "d")
    await_screen("node2: gets nothing new")
    assert state("node2") == "drain"
    await_screen("node2      drain")
    tmux("send-keys", "r")
    await_screen("node2: takes requests again")
    assert state("node2") == "up" and state("node1") == "up"


def test_filters_and_ends(screen):
    tmux("send-keys", "/", "e", "1", "Enter")
    assert "node1" in await_screen("only e1", "node2")
    tmux("send-keys", "q")
    end = time.monotonic() + 30
    while "baton top" in tmux("capture-pane", "-p"):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_batch_prints_lines(screen):
    lines = run(BATON, "top", "--name", NAME, "--batch", "-n", "1").splitlines()
    assert lines[1].split()[0] == "NODE" and lines[2].split()[0] == "node1"
