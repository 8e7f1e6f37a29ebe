"""System calls of the daemons fail, one in each start: one line and exit 1, or the daemon goes on without it; nothing
stays pinned but what is attached, and the next start succeeds."""

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess

import pytest

from labs import BATON, PATIENCE, ROOT, Lab, until

SHIM = os.path.join(ROOT, "tests/fault/fail_nth.c")
# Which of the calls fail, by daemon and kind: loading the front takes some 180 bpf() calls, filling its maps 4,000 more.
CALLS = [("front", "bpf", at) for at in (1, 75, 125, 170, 180, 1000)] + [("front", "socket", at) for at in (1, 2, 4, 5)]
CALLS += [("node", "bpf", at) for at in (1, 100, 150, 300, 4260)] + [("node", "socket", at) for at in (1, 3, 4, 6)]
# The second cluster's front and node: on which of the lab's hosts, and what their pins and sockets are called.
HOSTS = {"front": "client", "node": "node1"}
NAMES = {"front": "front", "node": "node-node1"}


@pytest.fixture(name="shim", scope="module")
def compiled(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("shim") / "fail_nth.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", path, SHIM, "-ldl"], check=True)
    return path


class Place:
    """A second cluster's configuration, whose front is the lab's client and whose node is its first node."""

    def __init__(self, lab):
        self.lab, self.name = lab, lab.name + "x"
        self.run_folder = os.path.join("/run/baton", self.name)
        os.makedirs(self.run_folder, exist_ok=True)
        with open(lab.run_folder + "/baton.yaml") as file:
            text = file.read()
        for old, new in (("name: %s\n" % lab.name, "name: %s\n" % self.name), ("10.77.0.2\n", "10.77.0.1\n"),
                         ("fd77::2\"", "fd77::1\""), ("    http: 127.0.0.1:7780\n", ""), ("10.77.0.100", "10.77.0.150"),
                         ("fd77::100", "fd77::150")):
            assert old in text, old
            text = text.replace(old, new)
        self.file = self.run_folder + "/baton.yaml"
        with open(self.file, "w") as file:
            file.write(text)

    def pins(self, kind):
        return os.path.join("/sys/fs/bpf/baton", self.name, NAMES[kind])

    def words(self, kind, *more):
        host, name = HOSTS[kind], NAMES[kind].removeprefix("node-")
        return [BATON, "lab", "exec", "--name", self.lab.name, host, "--", *more, BATON, kind, "-n", name, "-c", self.file]

    def start(self, kind, *prefix):
        """Starts a daemon until it answers or has ended, and ends it. Returns exit code and what it said."""
        daemon = subprocess.Popen(self.words(kind, "env", *prefix), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True)

        def settled():
            if daemon.poll() is not None:
                return True
            with socket.socket(socket.AF_UNIX) as control, contextlib.suppress(OSError):
                control.settimeout(PATIENCE)
                control.connect(os.path.join(self.run_folder, NAMES[kind] + ".sock"))
                control.sendall(b'{"command": "status"}\n')
                return control.recv(1)
            return False

        try:
            until(settled, "the daemon answers or ends")
        finally:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
            said = daemon.communicate(timeout=30)[1]
        return daemon.returncode, said

    def detach(self, kind):
        done = subprocess.run([*self.words(kind), "--detach"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert not os.path.exists(self.pins(kind))

    def close(self):
        for kind in NAMES:
            with contextlib.suppress(AssertionError):
                self.detach(kind)
        shutil.rmtree(self.run_folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self.pins("front")))


@pytest.fixture(name="place", scope="module")
def second_cluster():
    lab = Lab("calls", "-n", 1)
    place = Place(lab)
    yield place
    place.close()
    lab.down()


@pytest.mark.parametrize("daemon, kind, at", CALLS)
def test_a_daemon_says_it_or_goes_on(place, shim, daemon, kind, at):
    code, said = place.start(daemon, "LD_PRELOAD=" + shim, "FAIL_KIND=" + kind, "FAIL_AT=%d" % at)
    errors = [line for line in said.splitlines() if line.startswith("baton: ")]
    assert code in (0, 1), said
    assert len(errors) == (code == 1), said
    # What is said is why.
    assert all("annot allocate memory" in line or "oo many open files" in line for line in errors), errors
    # Attached, or nothing at all.
    pins = place.pins(daemon)
    assert not os.path.exists(pins) or glob.glob(pins + "/link_*"), os.listdir(pins)
    place.detach(daemon)


@pytest.mark.parametrize("words", [["front", "-n", "front", "--check", "-c"], ["node", "-n", "node1", "--check", "-c"],
                                   ["status", "--name"]], ids=["check", "node's check", "status"])
def test_no_memory_is_said(place, shim, tmp_path, words):
    """Every seventh call for memory in turn: the command says so and exits 1, or needs it not."""
    words = [BATON, *words, place.file if "-c" in words else place.name + "none"]

    def run(at, *more):
        done = subprocess.run(["env", "LD_PRELOAD=" + shim, "FAIL_KIND=memory", "FAIL_AT=%d" % at, *more, *words],
                              capture_output=True, text=True)
        return done.returncode, done.stderr

    whole = run(0, "FAIL_COUNT=%s" % (tmp_path / "count"))
    results = {run(at) for at in range(1, int((tmp_path / "count").read_text()) + 1, 7)}
    assert (1, "baton: out of memory\n") in results
    assert results <= {whole, (1, "baton: out of memory\n")}


@pytest.mark.parametrize("daemon", ["front", "node"])
def test_nothing_fails_afterwards(place, daemon):
    assert place.start(daemon)[0] == 0
    place.detach(daemon)
