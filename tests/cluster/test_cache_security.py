"""What a cache must not give to strangers, with Baton before it: poisoned objects, and what was meant for one user.

The backend here is as careless as applications get: it believes every header that says which host was asked for,
writes what it was asked into its own head without a look at line ends, and answers each user with a page of theirs.
"""

import collections
import http.server
import threading
import urllib.parse

import pytest

from labs import Lab, VIP, until

BACKEND, PORT = "10.77.0.201", 8000
TRUSTED = ["X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Server", "X-Forwarded-Scheme",
           "Forwarded"]
PERSONAL = {"/private": [("Cache-Control", "private, max-age=3600")], "/no-store": [("Cache-Control", "no-store")],
            "/cookie": [("Cache-Control", "max-age=3600"), ("Set-Cookie", "id=%s")],
            "/authorized": [("Cache-Control", "max-age=3600")],
            "/vary": [("Cache-Control", "max-age=3600"), ("Vary", "Authorization")]}
ROUNDS = 4  # by turns every node of three meets every kind of request


class Careless(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    checks = collections.Counter()  # of health that came here, by the cache that passed them on: Squid does

    def answer(self, body, headers):
        self.send_response(200)
        for name, value in [*headers, ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        user = self.headers.get("Authorization", "nobody")
        if path == "/health":
            self.answer(b"well", [("Cache-Control", "no-store")])
            Careless.checks[self.headers.get("Via")] += 1
        elif path in PERSONAL:
            self.answer(("the page of %s" % user).encode(),
                        [(name, value % user if "%" in value else value) for name, value in PERSONAL[path]])
        elif path == "/moved":
            # Header injection: a client's line ends become lines of the head.
            self.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: " + urllib.parse.unquote_to_bytes(query) +
                             b"\r\nCache-Control: max-age=3600\r\nContent-Length: 0\r\n\r\n")
        else:
            seen = [self.headers.get("Host", "nowhere"), path] + [self.headers[name] for name in TRUSTED if name in self.headers]
            self.answer(" ".join(seen).encode(), [("Cache-Control", "max-age=3600")])

    def log_message(self, *arguments):
        pass


@pytest.fixture(name="lab", scope="module", ids="-".join,
                params=[("squid", "ht-rr"), ("squid", "rr"), ("nginx-cache", "rr"), ("varnish", "ht-rr")])
def caches(request):
    kind, policy = request.param
    lab = Lab("safe", "-n", 3, "--server", kind, "--policy", policy, "--extra", "backend",
              "--origin", "http://%s:%d" % (BACKEND, PORT))
    lab.policy = policy
    try:
        with lab.inside("backend"):
            backend = http.server.ThreadingHTTPServer((BACKEND, PORT), Careless)
        backend.daemon_threads = True
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        # A Squid that found its origin away asks again some seconds later, and the front has taken it out meanwhile.
        for node in ("node1", "node2", "node3"):
            until(lambda node=node: lab.exec(node, "curl", "-sf", "http://127.0.0.1/ready").returncode == 0,
                  "%s reaches its origin" % node)
        if kind == "squid":
            Careless.checks.clear()
            until(lambda: sum(count > 1 for count in list(Careless.checks.values())) == 3, "the front has seen every Squid well")
        until(lambda: all(node["state"] == "up" for node in lab.status()["nodes"]), "the nodes are in")
        yield lab
        backend.shutdown()
        backend.server_close()
    finally:
        lab.down()


def ask(lab, target, host, *headers):
    """One request on a connection of its own; the body as text, and the node."""
    with lab.connect() as connection:
        connection.send("\r\n".join(["GET %s HTTP/1.1" % target, "Host: " + host, *headers, "", ""]).encode())
        answer = connection.response()
    return answer.status, answer.body.decode(), answer.node


def test_headers_that_are_no_part_of_the_key_change_nothing(lab):
    """What an attacker says beside host and path reaches neither the origin nor, by the cache, anybody else."""
    for header in TRUSTED:
        path = "/page-" + header.lower()
        for _ in range(ROUNDS):
            assert ask(lab, path, "shop.lab", header + ": evil.lab")[1] == "shop.lab " + path
            assert ask(lab, path, "shop.lab")[1] == "shop.lab " + path


def test_the_host_of_an_absolute_target_counts(lab):
    """RFC 9112, 3.2.2: of two hosts in one request the target's is the one, for the node as for the object."""
    for i in range(ROUNDS):
        path = "/disagree-%d" % i
        nodes = []
        for target, host, meant in (("http://one.lab" + path, "two.lab", "one.lab"), (path, "two.lab", "two.lab"),
                                    ("http://two.lab" + path, "one.lab", "two.lab"), (path, "one.lab", "one.lab")):
            status, body, node = ask(lab, target, host)
            assert (status, body) == (200, "%s %s" % (meant, path))
            nodes.append(node)
            if lab.policy == "ht-rr":
                assert node == lab.ask(command="where", url="http://%s%s" % (meant, path))["node"]
        if lab.policy == "ht-rr":
            assert nodes[0] == nodes[3] and nodes[1] == nodes[2]


@pytest.mark.parametrize("lines", [["Host: one.lab", "Host: two.lab"], ["Host: one.lab", "host : two.lab"],
                                   ["Host: one.lab,two.lab"], ["Host: one.lab/two"], ["Host: one.lab\x01"]])
def test_a_host_that_is_not_one_poisons_nothing(lab, lines):
    """Whatever a cache makes of such a request, it is not the object of one of the hosts named."""
    path = "/two-hosts"
    for _ in range(ROUNDS):
        with lab.connect() as connection:
            connection.send("\r\n".join(["GET %s HTTP/1.1" % path, *lines, "Connection: close", "", ""]).encode())
            assert connection.file.read().startswith(b"HTTP/1.1 ")
        for host in ("one.lab", "two.lab"):
            assert ask(lab, path, host)[:2] == (200, "%s %s" % (host, path))


def test_a_split_response_poisons_nothing(lab):
    """An origin that lets a client write its head sends two responses for one request; nobody gets the second."""
    poison = "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\npoison"
    query = urllib.parse.quote("/x\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n" + poison, safe="")
    for i in range(ROUNDS):
        victim = "/victim-%d" % i
        with lab.connect() as connection:
            connection.send(("GET /moved?%d%s HTTP/1.1\r\nHost: shop.lab\r\n\r\nGET %s HTTP/1.1\r\nHost: shop.lab\r\n\r\n" %
                             (i, query, victim)).encode())
            assert connection.response().status in (302, 502, 503)
            if connection.file.peek(1):
                assert connection.response().body == ("shop.lab " + victim).encode()
        for _ in range(3):
            assert ask(lab, victim, "shop.lab")[:2] == (200, "shop.lab " + victim)


@pytest.mark.parametrize("path", PERSONAL)
def test_what_is_for_one_user_is_given_to_no_other(lab, path):
    for _ in range(ROUNDS):
        for user in ("Basic YWxpY2U=", "Basic Ym9i"):
            assert ask(lab, path, "shop.lab", "Authorization: " + user, "Cookie: id=" + user)[1] == "the page of " + user
    if path in ("/private", "/no-store", "/authorized", "/vary"):
        assert ask(lab, path, "shop.lab")[1] == "the page of nobody"


def test_users_on_one_connection_stay_apart(lab):
    """A connection that moves between nodes and carries several users' requests, as one of a NAT's proxy does."""
    with lab.connect() as connection:
        for i in range(3 * ROUNDS):
            user = "Basic %d" % (i % 2)
            for path in ("/private", "/shared-%d" % i):
                answer = connection.get(path, headers=["Authorization: " + user])
                if path == "/private":
                    assert answer.body.decode() == "the page of " + user
                else:
                    assert answer.body.decode() == "%s %s" % (VIP, path)
