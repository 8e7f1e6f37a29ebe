"""First requests that are not whole in one segment, and those that nobody can serve."""

import contextlib
import re
import ssl

import pytest

from labs import Lab, VIP, VIP6, until, where
from segments import ACK, PSH, SegmentClient

HOST = b"\r\nHost: " + VIP.encode() + b"\r\n\r\n"


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("slow", "-n", 3)
    yield lab
    lab.down()


def front(lab):
    return lab.ask(command="status")["front"]


def counted(lab, before, name):
    """By how much a counter of the slow path has risen."""
    return front(lab)["slow"][name] - before["slow"][name]


@contextlib.contextmanager
def configured(lab, settings):
    """The front goes by other settings of its slow path meanwhile."""
    path = lab.run_folder + "/baton.yaml"
    with open(path) as file:
        text = file.read()
    try:
        with open(path, "w") as file:
            file.write(text.replace("nodes:\n", "    slow_path: {%s}\nnodes:\n" % settings, 1))
        lab.baton("reload")
        yield
    finally:
        with open(path, "w") as file:
            file.write(text)
        lab.baton("reload")


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_long_urls_go_where_they_belong(lab, address):
    before, nodes = front(lab), set()
    for i in range(12):
        path = "/t/%d/%s" % (i, "x" * (1500 + 400 * i))
        with lab.connect(address) as connection:
            answer = connection.get(path)
            assert (answer.status, answer.body) == (200, path.encode() + b"\n")
            assert answer.node == where(lab, path)
            nodes.add(answer.node)
            # The connection is like any other afterwards.
            assert connection.get("/t/short").node == where(lab, "/t/short")
    assert nodes == {"node1", "node2", "node3"}
    assert counted(lab, before, "placed") == counted(lab, before, "flows") == 12
    assert counted(lab, before, "acked") == 0
    assert front(lab)["fallbacks"] == before["fallbacks"]


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_large_cookie_before_the_host(lab, address):
    before = front(lab)
    for i in range(6):
        path = "/t/cookie%d" % i
        with lab.connect(address) as connection:
            connection.send(b"POST %s HTTP/1.1\r\nContent-Length: 9000\r\nCookie: a=%s%s%s" %
                            (path.encode(), b"c" * 7000, HOST, b"b" * 9000))
            answer = connection.response()
            assert answer.status == 200 and answer.node == where(lab, path)
    assert counted(lab, before, "placed") == 6
    assert front(lab)["fallbacks"] == before["fallbacks"]


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_byte_by_byte(lab, address):
    before = front(lab)
    for i in range(3):
        path = "/t/byte%d" % i
        with lab.connect(address) as connection:
            for byte in b"GET " + path.encode() + b" HTTP/1.1" + HOST:
                connection.send(bytes([byte]))
            answer = connection.response()
            assert (answer.node, answer.body) == (where(lab, path), path.encode() + b"\n")
    assert counted(lab, before, "placed") == 3
    assert counted(lab, before, "lost") == 0


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_later_heads_in_pieces_pin_nothing(lab, address):
    """They are served where the connection is; the next request moves again."""
    paths = {}
    for i in range(40):
        paths.setdefault(where(lab, "/t/%d" % i), "/t/%d" % i)
    cookie = "Cookie: " + "c" * 6000
    with lab.connect(address) as connection:
        for node, other in (("node1", "node2"), ("node2", "node3"), ("node3", "node1")):
            assert connection.get(paths[node]).node == node
            answer = connection.get(paths[other], headers=[cookie])
            assert (answer.node, answer.body) == (node, paths[other].encode() + b"\n")
            # (Its segments are cut inside the target, not in the lines behind it.)
            answer = connection.get("/t/" + "u" * 3700, method="POST", body=b"b" * 5000)
            assert answer.status == 200 and answer.node == node
            assert connection.get(paths[other]).node == other


ORDERS = {
    "as they are": [0, 1, 2],
    "the last two exchanged": [0, 2, 1],
    "the last one first": [2, 0, 1, 2],
    "each one three times": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "repeated in between": [0, 2, 0, 2, 1, 0],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_any_order(lab, order):
    path = "/t/order/" + "y" * 2500
    request = b"GET " + path.encode() + b" HTTP/1.1" + HOST
    cuts = [request[:1000], request[1000:1900], request[1900:]]
    at = [0, 1000, 1900]
    with SegmentClient(lab) as client:
        for i in order:
            client.send(ACK | PSH, at[i], cuts[i])
        node, body = client.response()
        assert (node, body) == (where(lab, path), path.encode() + b"\n")
        # The node has all of it, once: the next request is understood too.
        again = b"GET /t/next HTTP/1.1" + HOST
        client.send(ACK | PSH, len(request), again)
        assert client.response()[1] == b"/t/next\n"


def test_overlapping_segments(lab):
    """Whatever a byte's second copy claims, the first one counts, and nobody sees both."""
    path = "/t/overlap/" + "z" * 2000
    request = b"GET " + path.encode() + b" HTTP/1.1" + HOST
    with SegmentClient(lab) as client:
        client.send(ACK | PSH, 0, request[:1200])
        client.send(ACK | PSH, 600, b"#" * 600 + request[1200:1500])
        client.send(ACK | PSH, 1500, request[1500:])
        assert client.response() == (where(lab, path), path.encode() + b"\n")


def hello_of(name):
    """A ClientHello, and the object that it is the beginning of."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"] + ["%c%s" % (97 + i, "o" * 150) for i in range(12)])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return client, incoming, outgoing


def in_records(hello, size):
    """The same message in records of that many bytes each."""
    message = hello[5:]
    return b"".join(hello[:3] + len(part).to_bytes(2, "big") + part
                    for part in (message[at:at + size] for at in range(0, len(message), size)))


def tls_get(lab, address, name, cut, record=None):
    """The node that answers for that server name if the hello's first segment ends `cut` bytes before the name (None:
    it is sent as it is), in records of that many bytes (None: in one)."""
    client, incoming, outgoing = hello_of(name)
    hello = outgoing.read()
    if record:
        hello = in_records(hello, record)
    with lab.connect(address, 443) as connection:
        if cut is not None:
            first = hello.index(name.encode()) - cut
            connection.send(hello[:first])
            until(lambda: front(lab)["slow"]["kept"], "the first part is kept")
            hello = hello[first:]
        connection.send(hello)

        def step(action, *words):
            while True:
                try:
                    result = action(*words)
                    connection.send(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    connection.send(outgoing.read())
                    data = connection.socket.recv(65536)
                    assert data, "ended"
                    incoming.write(data)

        step(client.do_handshake)
        step(client.write, b"GET /t/tls HTTP/1.1" + HOST)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += step(client.read, 65536)
    return re.search(rb"(?i)x-node: (\w+)", answer).group(1).decode()


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_long_hello_goes_by_its_name(lab, address):
    before, nodes = front(lab), set()
    for i in range(6):
        name = "host%d.example.org" % i
        node = tls_get(lab, address, name, None)
        assert tls_get(lab, address, name, 3) == tls_get(lab, address, name, -4) == node
        nodes.add(node)
    assert len(nodes) > 1
    assert counted(lab, before, "placed") == 12
    assert front(lab)["fallbacks"] == before["fallbacks"]


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_hello_in_several_records_goes_by_its_name(lab, address):
    before, nodes = front(lab), set()
    for i in range(6):
        name = "cut%d.example.org" % i
        node = lab.ask(command="where", url="https://%s/" % name)["node"]
        # A record of 3 bytes ends inside of the message's header, one of 60 before the name.
        for record in (3, 60, 700):
            assert tls_get(lab, address, name, None, record) == node
        nodes.add(node)
    assert len(nodes) > 1
    assert counted(lab, before, "placed") == 18
    assert front(lab)["fallbacks"] == before["fallbacks"]


def refused(lab, data, port=80):
    """What a client reads that has sent this: all of it, up to the connection's end."""
    with lab.connect(VIP, port) as connection:
        connection.send(data)
        return connection.file.read()


def test_too_long(lab):
    before = front(lab)
    answer = refused(lab, b"GET /t/x HTTP/1.1\r\nCookie: " + b"c" * 17000)
    assert answer.startswith(b"HTTP/1.1 431 ") and answer.endswith(b"too large.\n")
    answer = refused(lab, b"GET /" + b"c" * 30000)
    assert answer.startswith(b"HTTP/1.1 414 ") and b"\r\nConnection: close\r\n" in answer
    # A record as long as a ClientHello may be, its name behind the 16 KB.
    hello = b"\x16\x03\x01\x40\0\x01\0\x3f\xfc\x03\x03" + bytes(32) + b"\0\0\2\x13\x01\1\0\x3f\xd1\0\x33\x3f\xcd"
    assert refused(lab, hello + bytes(16339), 443) == b"\x15\x03\x01\0\2\2\x2f"
    assert counted(lab, before, "too_long") == 2
    assert counted(lab, before, "uri_too_long") == 1
    assert front(lab)["handoffs_first"] == before["handoffs_first"]


def test_too_slow(lab):
    before = front(lab)
    with configured(lab, "time: 500ms"):
        assert refused(lab, b"GET /t/x HTT").startswith(b"HTTP/1.1 408 ")
        with lab.connect(VIP, 443) as connection:
            connection.send(b"\x16\x03\x01\x02\0\x01")
            assert connection.ended()
    assert counted(lab, before, "timed_out") == 2
    until(lambda: not front(lab)["slow"]["kept"], "nothing is kept any more")


def test_a_client_that_leaves(lab):
    before = front(lab)
    with lab.connect() as connection:
        connection.send(b"GET /t/x HTT")
        connection.socket.shutdown(1)
        assert connection.file.read() == b""
    assert counted(lab, before, "abandoned") == 1
    until(lambda: not front(lab)["slow"]["kept"], "nothing is kept any more")


def test_nobody_is_up(lab):
    before = front(lab)
    for node in ("node1", "node2", "node3"):
        lab.baton("drain", node)
    try:
        answer = refused(lab, b"GET /t/x HTTP/1.1" + HOST)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nConnection: close\r\n" in answer
        _, _, outgoing = hello_of("a.example.org")
        assert refused(lab, outgoing.read(), 443) == b"\x15\x03\x01\0\2\2\x50"
    finally:
        for node in ("node1", "node2", "node3"):
            lab.baton("ready", node)
    assert counted(lab, before, "no_node") == 2
    assert front(lab)["no_node"] - before["no_node"] == 2
    with lab.connect() as connection:
        assert connection.get("/t/x").node == where(lab, "/t/x")


def test_half_requests_take_no_room_from_others(lab):
    """Many that never end their first request: a bounded number is kept, everybody else is served."""
    path = "/t/" + "v" * 3000
    until(lambda: not front(lab)["slow"]["kept"], "nothing is kept any more")
    before = front(lab)
    with configured(lab, "flows: 16, time: 3s"), contextlib.ExitStack() as stack:
        attackers = [stack.enter_context(lab.connect()) for _ in range(60)]
        for attacker in attackers:
            attacker.send(b"GET /t/half")
        until(lambda: counted(lab, before, "full") >= 44, "the room is full")
        for i in range(10):
            with lab.connect() as connection:
                assert connection.get("/t/quick%d" % i).node == where(lab, "/t/quick%d" % i)
            with lab.connect() as connection:
                answer = connection.get(path)
                assert (answer.status, answer.body) == (200, path.encode() + b"\n")
            assert front(lab)["slow"]["kept"] <= 16
        # Those in the room are sent away, and there is room again.
        until(lambda: counted(lab, before, "timed_out") >= 16, "they are sent away")
        until(lambda: not front(lab)["slow"]["kept"], "nothing is kept any more")
        assert counted(lab, before, "timed_out") == 16
        with lab.connect() as connection:
            assert connection.get(path).node == where(lab, path)
