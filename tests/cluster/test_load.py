"""`baton load` against stock nginx in a network namespace, and against servers that do it wrong."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time

import pytest

BATON = os.path.abspath(os.environ.get("BATON", "build/baton"))
TRACE = """\
1431857103\tGET\t/\t200\t5000
1431857103\tGET\t/a.html?x=1\t200\t100
1431857104\tGET\t/a.html\t304\t0
1431857104\tHEAD\t/a.html\t200\t0
1431857105\tGET\t/big\t200\t300001
1431857105\tGET\t/gone\t404\t300
1431857105\tPOST\t/a.html\t200\t1
1431857106\tGET\t/%7Euser/\t200\t17
1431857106\tGET\t/empty\t200\t0
"""


def load(*arguments, namespace=None, check=0):
    command = [BATON, "load", *map(str, arguments), "--json"]
    if namespace:
        command = ["ip", "netns", "exec", namespace, *command]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == check, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """nginx in a namespace of its own; gives the namespace and the directory that it serves."""
    place = tmp_path_factory.mktemp("load")
    root = place / "root"
    root.mkdir()
    name = f"baton-load-{os.getpid()}"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", place / "key", "-out", place / "certificate", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    temporary = "".join(f"{kind}_temp_path {place}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # pytest closes its directory to others, so the workers are root too.
    (place / "conf").write_text(f"""
user root; worker_processes 1; daemon off; pid {place}/pid; error_log {place}/error;
events {{ worker_connections 4096; }}
http {{ access_log off; {temporary} root {root};
map $connection $name {{ default one; "~[02468]$" two; }}
server {{ listen 80 backlog=4096; listen [::]:80; add_header X-Node $name; }}
server {{ listen 81; keepalive_requests 7; }}
server {{ listen 443 ssl; ssl_certificate {place}/certificate; ssl_certificate_key {place}/key; }} }}
""")
    subprocess.run(["ip", "netns", "add", name], check=True)
    server = None
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        server = subprocess.Popen(["ip", "netns", "exec", name, "nginx", "-c", place / "conf", "-p", place,
                                   "-e", place / "error"])
        deadline = time.monotonic() + 30
        while subprocess.run(["ip", "netns", "exec", name, "curl", "-s", "-o", "/dev/null", "http://127.0.0.1/"],
                             capture_output=True).returncode:
            assert server.poll() is None and time.monotonic() < deadline, (place / "error").read_text()
            time.sleep(0.05)
        yield name, root, place
    finally:
        if server:
            server.terminate()
            server.wait()
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def trace(web, tmp_path):
    _, root, _ = web
    for entry in root.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    file = tmp_path / "trace.tsv"
    file.write_text(TRACE)
    wrote = load("content", root, "--trace", file)
    assert wrote == {"files": 5, "bytes": 5000 + 100 + 300001 + 17, "left_out": 0}
    return file


@contextlib.contextmanager
def server(answer):
    """A server on loopback; `answer` gets each connection in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=one, args=(connection,))
            threads.append(thread)
            thread.start()

    def one(connection):
        with connection:
            try:
                answer(connection)
            except OSError:
                pass

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for thread in threads:
            thread.join()


def request(connection):
    """Reads one request; b"" at the end."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        text += piece
    return text


def test_replay_checks_every_body(web, trace):
    namespace, root, _ = web
    said = load("replay", trace, "--url", "http://127.0.0.1/", "-c", 2, "--rounds", 10, namespace=namespace)
    assert (said["requests"], said["errors"]) == (80, 0)
    assert said["verified"] == 60
    assert said["bytes"] > 10 * (5000 + 2 * 100 + 300001 + 17)
    assert said["by_status"] == {"200": 70, "404": 10}
    assert sum(said["by_node"].values()) == 70
    assert said["left_out"] == {"bad_lines": 0, "other_methods": 1, "no_file_names": 0}
    assert said["latency_us"]["count"] == 80
    assert 0 < said["latency_us"]["p50"] <= said["latency_us"]["p99"] <= said["latency_us"]["max"]
    # The log's times: 1431857103 to 1431857106 take 4 seconds, a thousand times faster.
    said = load("replay", trace, "--url", "http://[::1]/", "--timed", "--speed", 1000, namespace=namespace)
    assert (said["requests"], said["errors"]) == (8, 0)


def test_a_wrong_byte_is_found(web, trace):
    namespace, root, _ = web
    with open(root / "big", "r+b") as file:
        file.seek(200000)
        byte = file.read(1)[0]
        file.seek(200000)
        file.write(bytes([byte ^ 1]))
    (root / "a.html").write_bytes((root / "a.html").read_bytes()[:-1])
    (root / "gone").write_text("here after all")
    (root / "empty").unlink()
    said = load("replay", trace, "--url", "http://127.0.0.1/", namespace=namespace)
    wrong = {name: count for name, count in said["errors_by"].items() if count}
    assert wrong == {"checksum": 1, "length": 2, "status": 2}
    assert (said["requests"], said["errors"]) == (3, 5)
    assert any("/big" in line for line in said["first_errors"])


@pytest.mark.parametrize("how", [[], ["--close"], ["--per-connection", 3], ["--pipeline", 10],
                                 ["--pipeline", 4, "--per-connection", 10]])
def test_closed_loop(web, trace, how):
    namespace, root, _ = web
    load("content", root, "--paths", "/o{1..50}", "--size", 3001)
    said = load("closed", "http://127.0.0.1/o{1..50}", "-c", 7, "-n", 2000, "--verify", "--size", 3001,
                "--source", "127.0.0.2-127.0.0.5", *how, namespace=namespace)
    assert (said["requests"], said["errors"], said["sent"]) == (2000, 0, 2000)
    assert said["verified"] == 2000 and said["bytes"] == 2000 * 3001
    expected = {(): 7, ("--close",): 2000}.get(tuple(how))
    if expected:
        assert said["connections"] == expected
    # A connection has one node here, so no answer comes from another than the one before.
    assert said["switched_us"]["count"] == 0
    assert said["stayed_us"]["count"] == 2000 - said["connections"]


def test_server_that_ends_connections(web, trace):
    """Requests that were sent behind the last one that the server takes are sent again."""
    namespace, _, _ = web
    said = load("closed", "http://127.0.0.1:81/", "-c", 3, "-n", 1000, "--pipeline", 5, "--verify",
                namespace=namespace)
    assert (said["requests"], said["errors"]) == (1000, 0)
    assert said["retried"] > 0


def test_tls(web, trace):
    namespace, _, place = web
    said = load("closed", "https://localhost/", "-c", 2, "-n", 100, "--verify", "--close", "--resume",
                "--authorities", place / "certificate", namespace=namespace)
    assert (said["requests"], said["errors"], said["verified"]) == (100, 0, 100)
    assert said["tls_resumed"] > 0
    said = load("closed", "https://127.0.0.1/", "-c", 2, "-n", 10, "--authorities", place / "certificate",
                namespace=namespace, check=1)
    assert (said["requests"], said["errors_by"]["tls"]) == (0, 10)


def short(connection):
    request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")


def reset(connection):
    request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def silent(connection):
    request(connection)
    connection.recv(1)


def nonsense(connection):
    request(connection)
    connection.sendall(b"SMTP 200 hello\r\n\r\n")


@pytest.mark.parametrize("answer,name", [(short, "short"), (reset, "reset"), (silent, "timeout"),
                                         (nonsense, "protocol")])
def test_errors_have_names(answer, name):
    with server(answer) as port:
        said = load("closed", f"http://127.0.0.1:{port}/", "-c", 2, "-n", 6, "--timeout",
                    "0.5s" if name == "timeout" else "60s", check=1)
    assert (said["requests"], said["errors"]) == (0, 6)
    assert said["errors_by"][name] == 6


def test_refused():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        said = load("closed", f"http://127.0.0.1:{holder.getsockname()[1]}/", "-c", 2, "-n", 6, check=1)
    assert said["errors_by"]["refused"] == said["errors"] == 6


def test_answers_in_pieces_and_of_other_forms():
    """Chunks, bodies up to the end of the connection, 100 Continue, one byte at a time; the node's name split."""
    forms = [b"HTTP/1.1 200 OK\r\nX-node:  first \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
             b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-Nodes: none\r\nX-NODE: second\r\nContent-Length: 5\r\n\r\n"
             b"abcde",
             b"HTTP/1.1 200 OK\r\nX-Node: third\r\n\r\nabcde"]

    def answer(connection):
        for form in forms:
            if not request(connection):
                return
            for byte in form:
                connection.sendall(bytes([byte]))

    with server(answer) as port:
        said = load("closed", f"http://127.0.0.1:{port}/", "-c", 1, "-n", 9, "--size", 5)
    assert (said["requests"], said["errors"], said["bytes"]) == (9, 0, 45)
    assert said["by_node"] == {"first": 3, "second": 3, "third": 3}
    assert said["connections"] == 3
    assert said["switched_us"]["count"] == 6


def test_reports(web, trace, tmp_path):
    namespace, _, _ = web
    load("closed", "http://127.0.0.1/", "-n", 200, "--html", tmp_path / "page.html", "--csv", tmp_path / "series.csv",
         namespace=namespace)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") >= 4 and "200 requests" in page and "http://www.w3.org" in page
    rows = (tmp_path / "series.csv").read_text().splitlines()
    assert rows[0].startswith("at,seconds,requests,errors")
    assert sum(int(row.split(",")[2]) for row in rows[1:]) == 200


@pytest.mark.parametrize("arguments", [["closed"], ["closed", "ftp://x/"], ["closed", "http://127.0.0.1/{1..}"],
                                       ["closed", "http://127.0.0.1/", "--source", "x"],
                                       ["closed", "http://127.0.0.1/", "--source", "::1"],
                                       ["closed", "http://127.0.0.1/", "-H", "nonsense"],
                                       ["replay", "/dev/null"], ["content", "/nowhere"]])
def test_wrong_usage_is_one_line(arguments):
    done = subprocess.run([BATON, "load", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("baton: ") and done.stderr.count("\n") == 1


def test_rate_keeps_its_plan(web, trace):
    namespace, _, _ = web
    said = load("rate", "http://127.0.0.1/", "--rate", "200,400", "--step", "0.5s", "--verify", namespace=namespace)
    assert (said["requests"], said["errors"]) == (300, 0)
    assert {row["name"]: row["requests"] for row in said["classes"]} == {"200/s": 100, "400/s": 200}
    assert said["seconds"] >= 0.99


@pytest.mark.parametrize("kind", ["rate", "closed"])
def test_a_stall_is_seen_by_all_that_it_kept_waiting(kind):
    """One answer takes a second. In the open loop a hundred requests were due meanwhile, in the closed one none."""
    answered = []

    def answer(connection):
        while request(connection):
            if len(answered) == 50:
                time.sleep(1)
            answered.append(1)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with server(answer) as port:
        how = ["--rate", 100, "-d", "2s"] if kind == "rate" else ["-n", 200]
        said = load(kind, f"http://127.0.0.1:{port}/", "-c", 1, *how)
    assert (said["requests"], said["errors"]) == (200, 0)
    assert said["latency_us"]["max"] >= 1e6
    if kind == "rate":
        # 50 of 200 were due in the first half of the second.
        assert said["latency_us"]["p90"] >= 0.5e6
        assert said["late_us"]["max"] >= 0.9e6
    else:
        # Only the stalled one: the longest of the others may be long on a busy machine, but they don't wait for it.
        assert said["late_us"]["count"] == 0


def test_chart_draws_runs_side_by_side(web, trace, tmp_path):
    namespace, _, _ = web
    runs = []
    for name in ("one", "two"):
        said = load("closed", "http://127.0.0.1/", "-n", 100, namespace=namespace)
        shares = [share for share, _ in said["spectrum"]]
        assert shares == sorted(shares) and shares[-1] == 1
        assert said["spectrum"][-1][1] == pytest.approx(said["latency_us"]["max"], rel=2e-3)
        (tmp_path / name).write_text(json.dumps(said))
        runs.append(f"run {name}={tmp_path / name}")
    picture = tmp_path / "picture.svg"
    subprocess.run([BATON, "load", "chart", picture, *runs], check=True)
    assert "run one" in picture.read_text() and "run two" in picture.read_text()
    (tmp_path / "two").write_text("{}")
    done = subprocess.run([BATON, "load", "chart", picture, *runs], capture_output=True, text=True)
    assert done.returncode == 1 and "no latencies" in done.stderr and done.stderr.count("\n") == 1


def test_mix(web, trace, tmp_path):
    namespace, root, _ = web
    load("content", root, "--paths", "/o{1..10}", "--size", 100)
    (tmp_path / "mix").write_text("# weights\n3 /o{1..10} small\n\n1 /big large one\n")
    said = load("mix", tmp_path / "mix", "--url", "http://127.0.0.1/", "-n", 4000, "--verify", namespace=namespace)
    assert (said["requests"], said["errors"], said["verified"]) == (4000, 0, 4000)
    small, large = said["classes"]
    assert (small["name"], large["name"]) == ("small", "large one")
    # The seed is fixed, so this is one draw: far within four standard deviations of 3000.
    assert abs(small["requests"] - 3000) < 110
    assert small["bytes"] == 100 * small["requests"] and large["bytes"] == 300001 * large["requests"]


def test_surge(web, trace, tmp_path):
    namespace, root, _ = web
    made = [load("surge", "make", root, "--list", tmp_path / f"list{i}", "--files", 50, "-n", 400, "--seed", 3)
            for i in range(2)]
    assert made[0] == made[1]
    assert (tmp_path / "list0").read_text() == (tmp_path / "list1").read_text()
    assert made[0]["files"] == 50 and made[0]["requests"] == 400
    for how in [], ["--close"]:
        said = load("surge", "run", tmp_path / "list0", "--url", "http://127.0.0.1/", "-u", 40, "--speed", 1000, *how,
                    namespace=namespace)
        assert (said["requests"], said["errors"], said["verified"], said["users"]) == (400, 0, 400, 40)
        assert said["connections"] == (400 if how else made[0]["documents"])


@pytest.mark.parametrize("how", [[], ["--udp"]])
def test_raw_traffic_arrives_whole(web, tmp_path, how):
    namespace, _, _ = web
    inside = ["ip", "netns", "exec", namespace]
    with subprocess.Popen([*inside, BATON, "sink", "--json", "--dir", tmp_path / "sink", "--limit", "100000", *how],
                          stdout=subprocess.PIPE, text=True) as sink:
        try:
            deadline = time.monotonic() + 30
            while not subprocess.run([*inside, "ss", "-Hlun" if how else "-Hltn", "sport = :9000"],
                                     capture_output=True, text=True).stdout:
                assert sink.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            sent = load("raw", "127.0.0.1:9000", "-n", 100, "-r", 1000, "--sizes", "uniform:1-40000", *how,
                        namespace=namespace)
        finally:
            sink.terminate()
        said = json.loads(sink.communicate()[0])
    assert (sent["messages"], sent["errors"]) == (100, 0)
    # Datagrams may be dropped by a receiver that doesn't get to run; what came must be right in any case.
    if not how:
        assert (said["bytes"], said["blocks"], said["messages"]) == (sent["bytes"], sent["blocks"], 100)
        assert said["stored"] <= 100000 and said["stored"] + said["not_stored"] == sent["bytes"]
    assert said["bad"] == said["cut"] == 0 and said["blocks"] > 0
    assert (tmp_path / "sink" / "received.raw").stat().st_size == said["stored"]
    rows = (tmp_path / "sink" / "received.tsv").read_text().splitlines()
    assert len(rows) == 1 + said["blocks"] and all(row.endswith("\t1") for row in rows[1:])


def test_sink_tells_what_is_wrong(web, tmp_path):
    namespace, _, _ = web
    inside = ["ip", "netns", "exec", namespace]
    with subprocess.Popen([*inside, BATON, "sink", "--json", "-p", "9001"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as sink:
        try:
            deadline = time.monotonic() + 30
            while not subprocess.run([*inside, "ss", "-Hltn", "sport = :9001"], capture_output=True, text=True).stdout:
                assert sink.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            # 40 bytes that are no header, then a block that is cut; each waits for the sink's end of the connection.
            for data in b"x" * 40, b"BLK1\x64" + b"\0" * 40:
                subprocess.run([*inside, "python3", "-c", "import socket, sys\n"
                                "s = socket.create_connection(('127.0.0.1', 9001))\n"
                                "s.sendall(sys.stdin.buffer.read()); s.shutdown(1); s.recv(1)"],
                               input=data, check=True)
        finally:
            sink.terminate()
        out, _ = sink.communicate()
    said = json.loads(out)
    assert sink.returncode == 1
    assert (said["connections"], said["bad"], said["cut"], said["bytes"]) == (2, 1, 1, 85)
