"""Labs for tests: started, asked, ended; and a client that speaks HTTP/1.1 byte by byte if need be."""

import collections
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BATON = os.environ.get("BATON", os.path.join(ROOT, "build", "baton"))
VIP, VIP6 = "10.77.0.100", "fd77::100"
PATIENCE = 30  # seconds until something that must happen counts as not happening

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def until(condition, what):
    """Waits until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, "still not after %d s: %s" % (PATIENCE, what)
        time.sleep(0.02)


def run(*words, check=True, **how):
    """A subcommand of baton."""
    done = subprocess.run([BATON, *map(str, words)], capture_output=True, text=True, **how)
    assert not check or done.returncode == 0, "%s: exit %d\n%s%s" % (" ".join(map(str, words)), done.returncode,
                                                                     done.stdout, done.stderr)
    return done


def node_status(cluster, node):
    """What a node's daemon says of itself on its control socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(PATIENCE)
        control.connect("/run/baton/%s/node-%s.sock" % (cluster, node))
        control.sendall(b'{"command": "status"}\n')
        with control.makefile() as answers:
            return json.loads(answers.readline())


class Lab:
    """One lab, its name made of this process's number so that two runs don't meet."""

    def __init__(self, name, *options):
        self.name = "%s%d" % (name, os.getpid())
        self.run_folder = os.path.join("/run/baton", self.name)
        try:
            run("lab", "up", "--name", self.name, *options)
        except BaseException:
            run("lab", "down", "--name", self.name, check=False)
            raise

    def down(self):
        run("lab", "down", "--name", self.name)

    def baton(self, command, *words, **how):
        """A run-time command on this lab's cluster."""
        return run(command, *words, "--name", self.name, **how)

    def status(self):
        return json.loads(self.baton("status", "--json").stdout)

    def ask(self, daemon="front", **request):
        """The answer of the front's daemon, or another's, to a request on its control socket."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(PATIENCE)
            control.connect(os.path.join(self.run_folder, daemon + ".sock"))
            control.sendall(json.dumps(request).encode() + b"\n")
            with control.makefile() as answers:
                answer = json.loads(answers.readline())
        assert "error" not in answer, answer
        return answer

    def node_status(self, name):
        return node_status(self.name, name)

    def set_service(self, service, *options):
        """Changes a service, and waits until all nodes go by it. With "--health none" a loaded machine, on which a
        check may be late, takes no node out."""
        self.baton("service", "set", service, *options)
        version = self.status()["version"]
        until(lambda: all(node["version"] == version for node in self.status()["nodes"]), "all nodes know the change")

    def counters(self, name):
        """What a node has counted by now. What status() shows of it is up to half a second old."""
        report = self.node_status(name)["report"]
        counted = dict(report["counters"])
        for key in ("handoffs_in", "handoffs_out"):
            counted[key] = sum(service[key] for service in report["services"])
        return counted

    def sum_counters(self):
        """The same of all nodes together."""
        names = [node["name"] for node in self.status()["nodes"]]
        return sum((collections.Counter(self.counters(name)) for name in names), collections.Counter())

    def strays(self):
        """Requests so far that were served where their connection was, though they belong elsewhere: it was not
        quiet, could not be followed, or the server spoke while it moved. A loaded machine makes some."""
        counted = self.sum_counters()
        return sum(counted[name] for name in ("stayed", "stayed_pinned", "pinned", "unmuted"))

    def node(self, name):
        return next(node for node in self.status()["nodes"] if node["name"] == name)

    def exec(self, host, *words, **how):
        """A program on one of the lab's hosts."""
        how.setdefault("timeout", 300)
        return subprocess.run([BATON, "lab", "exec", "--name", self.name, host, "--", *map(str, words)],
                              capture_output=True, text=how.pop("text", True), **how)

    def curl(self, *words):
        done = self.exec("client", "curl", "-sS", "--max-time", PATIENCE, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def inside(self, host="client"):
        """Sockets that this thread makes meanwhile belong to that host."""
        with open("/proc/thread-self/ns/net") as back, \
             open("/run/netns/baton-%s-%s" % (self.name, host)) as there:
            assert LIBC.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert LIBC.setns(back.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def client_socket(self, address, kind):
        """A socket of the client for that address's family."""
        with self.inside("client"):
            client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        client.settimeout(PATIENCE)
        return client

    @contextlib.contextmanager
    def serving(self, kind, places, serve):
        """A socket bound at each (node, address, port), each served by a thread: serve(socket, node)."""
        sockets, threads = [], []
        try:
            for node, address, port in places:
                with self.inside(node):
                    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind((address, port))
                if kind == socket.SOCK_STREAM:
                    server.listen(64)
                sockets.append(server)
                threads.append(threading.Thread(target=serve, args=(server, node.encode())))
                threads[-1].start()
            yield
        finally:
            for server in sockets:
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
            for server in sockets:
                server.close()

    def connect(self, address=VIP, port=80, source=None):
        return Connection(self, address, port, source)

    def pids(self):
        with open(os.path.join(self.run_folder, "pids.json")) as file:
            return json.load(file)

    def server_errors(self):
        """What stands in the nodes' servers' error logs, by host."""
        found = {}
        for host in sorted(self.pids()):
            path = os.path.join(self.run_folder, "log", host.replace("-server", "") + ".error")
            if host.endswith("-server") and os.path.exists(path):
                with open(path) as file:
                    found[host] = file.read()
        return found

    def served(self):
        """The client's lines in the nodes' access logs: requests that servers ran.

        nginx writes a request's line behind its answer, but before it reads the next request: what each node
        is asked here by itself (from an address that isn't counted) comes behind all lines that are due."""
        total = 0
        for host in self.pids():
            if host.startswith("node") and host.endswith("-server"):
                self.exec(host.removesuffix("-server"), "curl", "-s", "-o", "/dev/null", "--max-time", PATIENCE,
                          "http://127.0.0.1/t/barrier")
        for host in self.pids():
            path = os.path.join(self.run_folder, "log", host.replace("-server", "") + ".access")
            if host.startswith("node") and host.endswith("-server") and os.path.exists(path):
                with open(path) as file:
                    total += sum(1 for line in file if line.startswith(("10.77.0.1 ", "fd77::1 ", "::ffff:10.77.0.1 ")))
        return total

    def server_sockets(self, node):
        """Connections of the VIP's port that the node's kernel holds in any state but TIME-WAIT."""
        lines = self.exec(node, "ss", "-Htan", "state", "connected", "exclude", "time-wait",
                          "sport", "=", ":80").stdout
        return [line for line in lines.splitlines() if VIP in line or VIP6 in line]


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.node = headers.get("x-node")


class Connection:
    """One TCP connection of the lab's client, with just enough of HTTP."""

    def __init__(self, lab, address, port, source):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with lab.inside("client"):
            self.socket = socket.socket(family)
            self.socket.settimeout(PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(source)
            self.socket.connect((address, port))
        self.file = self.socket.makefile("rb")

    def wrap(self, context, name):
        """TLS from here on."""
        self.file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def request(self, path, method="GET", headers=(), body=b""):
        head = ["%s %s HTTP/1.1" % (method, path), "Host: " + VIP, *headers]
        if body:
            head.append("Content-Length: %d" % len(body))
        self.send("\r\n".join([*head, "", ""]).encode() + body)

    def response_head(self):
        line = self.file.readline()
        assert line.startswith(b"HTTP/1."), "no response but %r" % line
        status, headers = int(line.split()[1]), {}
        for line in iter(self.file.readline, b"\r\n"):
            assert line, "the response ends in its head"
            key, value = line.decode().split(":", 1)
            headers[key.lower()] = value.strip()
        return status, headers

    def response(self, method="GET"):
        status, headers = self.response_head()
        if method == "HEAD" or status in (101, 204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.file.readline(), 16)
                body += self.file.read(size)
                assert self.file.readline() == b"\r\n"
                if not size:
                    break
        else:
            body = self.file.read(int(headers["content-length"]))
            assert len(body) == int(headers["content-length"]), "the body is cut off"
        return Response(status, headers, body)

    def get(self, path, method="GET", headers=(), body=b""):
        self.request(path, method, headers, body)
        return self.response(method)

    def ended(self):
        """Whether the other side ends the connection now (waits for it)."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answer_datagrams(server, answer):
    """Sends answer(data, peer) back for every datagram, until the socket is shut."""
    while True:
        try:
            data, peer = server.recvfrom(2048)
        except OSError:
            return
        if not data:
            return
        server.sendto(answer(data, peer), peer)


def where(lab, path):
    """The node that the front's daemon says serves a path."""
    return lab.ask(command="where", url="http://%s%s" % (VIP, path))["node"]


def targets_by_node(connection, count=64, prefix="/t/"):
    """Paths by the node that answers for them, found by asking."""
    found = {}
    for i in range(count):
        path = "%s%d" % (prefix, i)
        found.setdefault(connection.get(path).node, []).append(path)
    return found
