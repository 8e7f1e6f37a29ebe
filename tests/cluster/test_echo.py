"""baton echo: every model talks the protocol, ends in order, and the laboratory's books balance."""
import csv
import json
import os
import re
import signal
import socket
import subprocess

import pytest

BATON = os.environ.get("BATON", os.path.join(os.path.dirname(__file__), "../../build/baton"))
MODELS = ["iterative", "fork", "prefork", "thread", "pool", "epoll", "uring"]
PATIENCE = 60
REPLY = re.compile(rb"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\] \[127\.0\.0\.1\] \[(\d+)\] \[(.*)\]\n",
                   re.S)


class Server:
    """A server on a port of its own, and what it printed."""

    def __init__(self, *arguments, out=subprocess.PIPE):
        self.process = subprocess.Popen(
            [BATON, "echo", "serve", "--address", "127.0.0.1", "--port", "0", *arguments],
            stdout=out, stderr=subprocess.PIPE, text=True)
        ready = self.process.stderr.readline()
        assert " port " in ready, ready
        self.port = int(re.search(r" port (\d+),", ready)[1])

    def stop(self):
        """Asks it to end; its standard output and last line."""
        self.process.send_signal(signal.SIGTERM)
        out, errors = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, errors
        return out, errors


@pytest.fixture(name="serve")
def servers():
    started = []

    def start(*arguments, **how):
        started.append(Server(*arguments, **how))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.file = self.socket.makefile("rb")
        self.port = self.socket.getsockname()[1]

    def ask(self, message):
        self.socket.sendall(message + b"\n")
        return self.answer()

    def answer(self):
        """The message in the next reply, or None at the end of the connection."""
        line = self.file.readline()
        if not line:
            return None
        port, message = REPLY.fullmatch(line).groups()
        assert int(port) == self.port
        return message

    def close(self):
        self.file.close()
        self.socket.close()


ways = pytest.mark.parametrize("way", [[model] for model in MODELS]
                               + [["fork", "--accept", "child"], ["thread", "--accept", "child"]],
                               ids=" ".join)


@ways
def test_each_model_answers_and_ends_in_order(serve, way):
    server = serve("--model", *way)
    first = Client(server.port)
    assert first.ask(b"hello") == b"hello"
    assert first.ask(b"") == b""
    assert first.ask(b"\x00\x01\xff [binary]") == b"\x00\x01\xff [binary]"
    # Half-closed in the middle of a line, after two lines at once.
    first.socket.sendall(b"one\ntwo\nthr")
    first.socket.sendall(b"ee")
    first.socket.shutdown(socket.SHUT_WR)
    assert [first.answer() for _ in range(4)] == [b"one", b"two", b"three", None]
    first.close()
    # Several at once, but for the model that can't; they are still there when the end comes.
    some = [Client(server.port) for _ in range(1 if way[0] == "iterative" else 5)]
    for number, client in enumerate(some):
        assert client.ask(b"%d" % number) == b"%d" % number
    out, errors = server.stop()
    for client in some:
        assert client.answer() is None
        client.close()
    word = "thread" if way[0] == "thread" else "pid"
    assert len(re.findall(rf"^{word} \d+: 127\.0\.0\.1 \d+ connected$", out, re.M)) == 1 + len(some)
    assert "[hello]" in out and r"[\x00\x01\xff [binary]]" in out
    assert f"{1 + len(some)} connections, {6 + len(some)} messages, 0 lines too long, 0 " in errors


@ways
def test_a_line_too_long_ends_its_connection_alone(serve, way):
    server = serve("--model", *way, "--quiet")
    bad = Client(server.port)
    bad.socket.sendall(b"x" * 100000)
    assert b"a line may have 4096 bytes" in bad.file.readline()
    assert bad.file.readline() == b""
    bad.close()
    good = Client(server.port)
    assert good.ask(b"y" * 4096) == b"y" * 4096
    good.close()
    assert " 1 lines too long" in server.stop()[1]


@ways
def test_a_reset_connection_ends_alone(serve, way):
    server = serve("--model", *way, "--quiet")
    for _ in range(3):
        rude = Client(server.port)
        assert rude.ask(b"x") == b"x"
        rude.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        rude.close()
    good = Client(server.port)
    assert good.ask(b"still there") == b"still there"
    good.close()
    server.stop()


@ways
def test_close_after(serve, way):
    server = serve("--model", *way, "--quiet", "--close-after", "3")
    client = Client(server.port)
    assert [client.ask(b"a"), client.ask(b"b"), client.ask(b"c")] == [b"a", b"b", b"c"]
    assert client.answer() is None
    client.close()
    server.stop()


def test_what_was_received_is_answered_before_the_end(serve):
    """In every model that has more than one client: lines sent before SIGTERM get replies."""
    for model in MODELS:
        server = serve("--model", model, "--quiet")
        client = Client(server.port)
        assert client.ask(b"x") == b"x"
        client.socket.sendall(b"".join(b"%d\n" % n for n in range(200)))
        assert client.answer() == b"0"
        # All 200 lines came in one segment or two, and a reply shows that the first was read;
        # what is behind it in the receive queue must not be lost.
        server.stop()
        answers = []
        while (answer := client.answer()) is not None:
            answers.append(answer)
        assert answers == [b"%d" % n for n in range(1, 200)], model
        client.close()


def test_the_iterative_server_serves_one_after_the_other(serve):
    server = serve("--model", "iterative", "--quiet")
    first, second = Client(server.port), Client(server.port)
    second.socket.sendall(b"me too\n")
    for _ in range(20):
        assert first.ask(b"still me") == b"still me"
    second.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        second.socket.recv(1)
    second.socket.setblocking(True)
    first.close()
    assert second.answer() == b"me too"
    second.close()
    server.stop()


@pytest.mark.parametrize("model", ["fork", "thread", "pool", "epoll", "uring"])
def test_many_connections_at_once(serve, model):
    server = serve("--model", model, "--quiet", "--queue", "1024")
    clients = [Client(server.port) for _ in range(300 if model == "fork" else 1500)]
    for client in clients:
        client.socket.sendall(b"all of us\n")
    assert all(client.answer() == b"all of us" for client in clients)
    for client in clients:
        client.close()
    server.stop()


def test_the_fork_server_leaves_no_child(serve):
    server = serve("--model", "fork", "--quiet")
    clients = [Client(server.port) for _ in range(10)]
    for client in clients:
        client.ask(b"x")
    path = f"/proc/{server.process.pid}/task/{server.process.pid}/children"
    with open(path, encoding="ascii") as file:
        children = file.read().split()
    assert len(children) == 10
    server.stop()
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
    for client in clients:
        client.close()


def test_talk(serve):
    server = serve("--model", "thread", "--quiet")
    result = subprocess.run([BATON, "echo", "talk", "127.0.0.1", "--port", str(server.port)],
                            input="hello\nworld", capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("[hello]") and lines[2].endswith("[world]")
    assert all(re.fullmatch(r"RTT \d+ us", line) for line in lines[1::2])
    server.stop()
    gone = subprocess.run([BATON, "echo", "talk", "127.0.0.1", "--port", str(server.port)],
                          input="hello\n", capture_output=True, text=True, check=False)
    assert gone.returncode == 1 and "refused" in gone.stderr


def test_run_keeps_its_books(tmp_path):
    out = tmp_path / "echo"
    result = subprocess.run(
        [BATON, "echo", "run", "--clients", "4,9", "--seconds", "0.3", "--interval", "0.05",
         "--out", str(out), "--json"], capture_output=True, text=True, check=True)
    results = json.loads(result.stdout)["results"]
    assert [(r["model"], r["clients"]) for r in results] == [(m, c) for m in MODELS for c in (4, 9)]
    for run in results:
        name = f"{run['model']}-{run['clients']}-queue1024"
        assert run["errors"] == 0 and run["retransmissions"] >= 0, run
        for key in ("rtt_us", "cpu", "memory_kib"):
            assert {"mean", "sd", "variance"} <= set(run[key])
            assert run[key]["variance"] == pytest.approx(run[key]["sd"] ** 2, rel=1e-6, abs=1e-6)
        with open(out / f"{name}-rtt.csv", encoding="ascii") as file:
            rows = list(csv.DictReader(file))
        # Every message has its row, but for the first of each connection.
        assert run["first_reply_us"]["count"] <= run["connections"]
        assert run["starved"] == 0 or run["settle_seconds"] >= 5
        measured = [float(row["rtt_us"]) for row in rows if row["measured"] == "1"]
        assert len(measured) == run["rtt_us"]["count"] <= run["messages"]
        mean = sum(measured) / max(1, len(measured))
        assert run["rtt_us"]["mean"] == pytest.approx(mean, rel=1e-3, abs=0.1)
        own = [float(row["rtt_us"]) for row in rows if row["client"] == "0"]
        assert run["first_rtts_us"] == pytest.approx(own[:20], abs=0.06)
        assert run["last_rtts_us"] == pytest.approx(own[-20:], abs=0.06)
        with open(out / f"{name}-usage.csv", encoding="ascii") as file:
            looks = list(csv.DictReader(file))
        assert len(looks) >= run["samples"]
        for look in looks:
            assert int(look["m_total"]) > int(look["m_used"]) > 0
            assert sum(float(look[f"cpu_{part}"]) for part in
                       ("user", "sys", "nice", "idle", "wait", "interrupts")) <= 100.5
    report = (out / "report.html").read_text()
    assert report.count("<svg") == report.count("</svg>") == 10
    assert "nan" not in report and all(model in report for model in MODELS)
    assert len(list(out.glob("*.svg"))) == 10
    assert len((out / "results.csv").read_text().splitlines()) == 15


def test_a_listen_queue_of_one_overflows():
    """30 clients dial before the first may speak: two find a place in the queue, the rest don't;
    those come again after a second."""
    result = subprocess.run([BATON, "echo", "run", "--models", "iterative", "--clients", "30",
                             "--settle", "0", "--seconds", "0.2", "--queues", "1", "--json"],
                            capture_output=True, text=True, check=True)
    run = json.loads(result.stdout)["results"][0]
    assert run["listen_overflows"] >= 20 and run["starved"] >= 20


@pytest.mark.parametrize("arguments, words", [
    (["serve", "--model", "magic"], "magic"),
    (["serve", "--address", "nowhere"], "nowhere"),
    (["serve", "extra"], "extra"),
    (["run", "--models", "epoll,magic"], "epoll,magic"),
    (["run", "--clients", "30,"], "30,"),
    (["run", "--queues", "70000"], "70000"),
    (["talk", "a", "b"], "HOST"),
])
def test_wrong_usage_is_one_line(arguments, words):
    result = subprocess.run([BATON, "echo", *arguments], capture_output=True, text=True,
                            check=False)
    assert result.returncode == 2 and words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_named(serve):
    server = serve("--quiet")
    again = subprocess.run([BATON, "echo", "serve", "-a", "127.0.0.1", "-p", str(server.port)],
                           capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "in use" in again.stderr and str(server.port) in again.stderr
    server.stop()
