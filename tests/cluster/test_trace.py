"""Following a client through front and nodes, and both halves of its connection in one file."""

import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest

from labs import BATON, VIP, VIP6, Lab, run, targets_by_node


@pytest.fixture(scope="module")
def lab():
    lab = Lab("trace", "-n", 2)
    lab.set_service("web", "--health", "none")
    yield lab
    lab.down()


@contextlib.contextmanager
def tracing(lab, *words):
    """A trace that looks on when the block begins; what it told is in .told behind it."""
    trace = subprocess.Popen([BATON, "trace", "--name", lab.name, "--json", *words], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    trace.told = []
    try:
        assert trace.stderr.readline() == "looking on at front, node1, node2\n"
        yield trace
        trace.send_signal(signal.SIGINT)
        output, errors = trace.communicate(timeout=60)
        assert trace.returncode == 0 and not errors, errors
        trace.told = [json.loads(line) for line in output.splitlines()]
    finally:
        if trace.poll() is None:
            trace.kill()
            trace.wait()


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_every_step_of_a_move(lab, address):
    with lab.connect() as connection:
        first, second = (paths[0] for _, paths in sorted(targets_by_node(connection).items()))
    client = "10.77.0.1" if address == VIP else "fd77::1"
    with tracing(lab, client) as trace:
        moved = False
        while not moved:
            strays = lab.strays()
            with lab.connect(address) as connection:
                assert connection.get(first).node == "node1"
                moved = connection.get(second).node == "node2"
            assert moved or lab.strays() > strays
    steps = [(event["host"], event["way"], event.get("wrapped", ""), event["decision"].split(",")[0])
             for event in trace.told]
    wanted = [("front", "in", "", "answered by the front: SYN ACK"),
              ("front", "in", "", "HANDOFF to node1"),
              ("node1", "in", "HANDOFF", "to the server"),
              ("front", "in", "", "sent on to node1 as it came"),
              ("node1", "in", "", "RST for the socket that it leaves"),
              ("front", "in", "RETURN", "HANDOFF to node2"),
              ("node2", "in", "HANDOFF", "to the server")]
    at = -1
    for step in wanted:
        assert step in steps[at + 1:], "%r is not behind %r in %r" % (step, steps[:at + 1], steps)
        at = steps.index(step, at + 1)
    handoff = next(event for event in trace.told if event["decision"].startswith("HANDOFF to node1"))
    assert "reason policy" in handoff["decision"] and "first" in handoff["decision"]
    assert handoff["line"] == "GET %s HTTP/1.1" % first and "handoffs_first" in handoff["counted"]
    assert any("moved" in event["counted"] for event in trace.told)
    assert any(event.get("line") == "HTTP/1.1 200 OK" and event["way"] == "out" for event in trace.told)
    assert [event["time"] for event in trace.told] == sorted(event["time"] for event in trace.told)


def test_only_whom_it_is_asked_for(lab):
    with lab.connect() as traced, lab.connect() as other:
        port = traced.socket.getsockname()[1]
        with tracing(lab, "10.77.0.1:%d" % port) as trace:
            other.get("/t/other")
            traced.get("/t/traced")
    assert trace.told and all(event["client"] == "10.77.0.1:%d" % port for event in trace.told)
    with lab.connect() as traced, lab.connect() as other:
        port = traced.socket.getsockname()[1]
        with tracing(lab, "http://%s/t/traced" % VIP) as trace:
            other.get("/t/tracedtoo")
            traced.get("/t/traced?query")
    assert trace.told and all(event["client"] == "10.77.0.1:%d" % port for event in trace.told)
    assert {"front"} < {event["host"] for event in trace.told}
    assert any(event["way"] == "out" for event in trace.told)


def test_one_conversation_in_the_capture(lab, tmp_path):
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    path = str(tmp_path / "both.pcapng")
    with tracing(lab, "10.77.0.1", "--pcap", path):
        with lab.connect() as connection:
            for i in range(30):
                connection.get("/t/%d" % i)
            connection.get("/index.html")
            connection.socket.shutdown(1)
            assert connection.ended()
    shown = subprocess.run(["tshark", "-r", path, "-T", "fields", "-e", "tcp.stream", "-e", "ip.src", "-e", "tcp.flags.syn",
                            "-e", "tcp.analysis.ack_lost_segment", "-e", "tcp.analysis.lost_segment", "-e", "http.request.method",
                            "-e", "http.response.code"], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    assert {row[0] for row in rows} == {"0"}
    assert {row[1] for row in rows} == {"10.77.0.1", VIP}
    assert sum(row[2] in ("1", "True") for row in rows) == 2
    assert not any(row[3] or row[4] for row in rows), "tshark misses segments"
    assert sum(row[5] == "GET" for row in rows) == 31
    assert sum(row[6] == "200" for row in rows) == 31


def test_one_at_a_time_and_wrong_usage(lab):
    with tracing(lab, "10.77.0.1"):
        done = run("trace", "--name", lab.name, "10.77.0.1", check=False)
        assert done.returncode == 1 and "another trace" in done.stderr
    for words in ([], ["somewhere"], ["10.77.0.1", "10.77.0.2"], ["http://host"], ["/" + "x" * 200]):
        done = run("trace", *words, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, words
    done = run("trace", "--name", "nosuch%d" % os.getpid(), "10.77.0.1", check=False)
    assert done.returncode == 1 and "--name" in done.stderr
