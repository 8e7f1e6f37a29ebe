"""What strangers send: floods, forgeries and nonsense. Requests go on, tables stay as they were,
and counters say what was refused."""

import contextlib
import os
import random
import re
import socket
import struct

import pytest

from labs import PATIENCE, VIP, Lab, until

CLIENT = "10.77.0.1"
SYN, ACK, RST, FIN, PSH = 2, 16, 4, 1, 8


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("strange", "-n", 2)
    yield lab
    lab.down()


BURST = 100  # frames; a device's queue holds 256, and what comes when it is full is dropped


@pytest.fixture(name="wire")
def raw_wire(lab):
    """Frames from the client's device to the front's, a burst at a time: the front has seen one when
    it answers the SYN sent behind it."""
    with lab.inside("client"):
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        found.bind(("eth0", 0))
    own = found.getsockname()[4]
    with lab.inside("client"), lab.connect() as connection:
        connection.get("/t/0")
    arp = lab.exec("client", "ip", "neigh", "show", VIP).stdout
    front = bytes.fromhex(re.search(r"lladdr (\S+)", arp).group(1).replace(":", ""))

    sent = 0

    def send(packet, kind=0x0800):
        nonlocal sent
        found.send(front + own + struct.pack("!H", kind) + packet)
        sent += 1
        if sent % BURST == 0:
            with lab.inside("client"):
                socket.create_connection((VIP, 80), PATIENCE).close()

    yield send
    found.close()


def total(data):
    data += b"\0" * (len(data) % 2)
    found = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while found >> 16:
        found = (found & 0xffff) + (found >> 16)
    return ~found & 0xffff


def ipv4(payload, source, protocol=6, fragment=0x4000, options=b""):
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 1, fragment, 64,
                       protocol, 0, socket.inet_aton(source), socket.inet_aton(VIP)) + options
    return head[:10] + struct.pack("!H", total(head)) + head[12:] + payload


def tcp(source, port, flags, seq=1000, ack=0, data=b"", options=b"", bad=0, to=80, words=None):
    words = (20 + len(options)) // 4 if words is None else words
    head = struct.pack("!HHIIBBHHH", port, to, seq & 0xffffffff, ack & 0xffffffff, words << 4, flags, 60000, 0, 0)
    segment = head + options + data
    pseudo = socket.inet_aton(source) + socket.inet_aton(VIP) + struct.pack("!HH", 6, len(segment))
    check = total(pseudo + segment) ^ bad
    return segment[:16] + struct.pack("!H", check) + segment[18:]


def fronts(lab):
    return lab.status()["front"]


@contextlib.contextmanager
def unharmed(lab, *counters):
    """Connections from before go on afterwards, new ones begin, no flow was made, and each counter has gone up."""
    with lab.connect() as one, lab.connect() as other:
        assert one.get("/t/1").status == other.get("/t/2").status == 200
        until(lambda: fronts(lab)["flows"] >= 2, "the sweep has counted")
        before, served = fronts(lab), lab.served()
        yield one
        for connection in (one, other):
            for path in ("/t/3", "/t/4"):
                answer = connection.get(path)
                assert (answer.status, answer.body) == (200, path.encode() + b"\n")
        with lab.connect() as fresh:
            assert fresh.get("/t/5").status == 200
        until(lambda: all(fronts(lab)[counter] > before[counter] for counter in counters), "%s counted" % (counters,))
        until(lambda: lab.served() >= served + 5, "five requests in the logs")
        assert lab.served() == served + 5


def test_syns(lab, wire):
    with unharmed(lab, "syn"):
        before = fronts(lab)
        for i in range(2500):
            wire(ipv4(tcp("10.77.9.%d" % (i % 250 + 1), 1024 + i, SYN, seq=i * 7919), "10.77.9.%d" % (i % 250 + 1)))
        until(lambda: fronts(lab)["syn"] - before["syn"] >= 2500, "all answered")
        assert fronts(lab)["handoffs_first"] == before["handoffs_first"]


def test_acks_with_made_up_cookies(lab, wire):
    rng = random.Random(5)
    with unharmed(lab, "cookies_bad"):
        before = fronts(lab)
        for i in range(2500):
            source = "10.77.9.%d" % (i % 250 + 1)
            wire(ipv4(tcp(source, 1024 + i, ACK | (PSH if i % 2 else 0), rng.getrandbits(32), rng.getrandbits(32),
                          b"GET /t/bad HTTP/1.1\r\nHost: x\r\n\r\n" if i % 2 else b""), source))
        until(lambda: sum(fronts(lab)[name] - before[name] for name in ("cookies_bad", "cookies_expired")) >= 2500,
              "all counted")
        assert fronts(lab)["handoffs_first"] == before["handoffs_first"]


def test_segments_of_living_connections(lab, wire):
    """A stranger who knows the addresses and ports, but not the numbers."""
    rng = random.Random(6)
    with unharmed(lab) as victim:
        port = victim.socket.getsockname()[1]
        for i in range(900):
            flags = (RST, RST | ACK, FIN | ACK, ACK | PSH, SYN, ACK)[i % 6]
            data = b"GET /t/forged HTTP/1.1\r\nHost: x\r\n\r\n" if flags == ACK | PSH else b""
            wire(ipv4(tcp(CLIENT, port, flags, rng.getrandbits(32), rng.getrandbits(32), data), CLIENT))


def test_fragments_options_and_flags(lab, wire):
    syn = tcp(CLIENT, 2000, SYN)
    with unharmed(lab, "fragments", "ip_options", "bad_flags", "malformed"):
        for _ in range(50):
            wire(ipv4(syn, CLIENT, fragment=0x2000))
            wire(ipv4(syn[:8], CLIENT, fragment=0x2000))
            wire(ipv4(syn[8:], CLIENT, fragment=1))
            wire(ipv4(syn, CLIENT, options=b"\x94\4\0\0"))
            wire(ipv4(tcp(CLIENT, 2000, SYN | FIN), CLIENT))
            wire(ipv4(tcp(CLIENT, 2000, SYN | RST), CLIENT))
            wire(ipv4(tcp(CLIENT, 2000, ACK, words=15), CLIENT))
            wire(ipv4(tcp(CLIENT, 2000, ACK, words=4), CLIENT))


def test_tcp_options_of_every_shape(lab, wire):
    rng = random.Random(7)
    with unharmed(lab):
        for i in range(1200):
            options = rng.randbytes(4 * rng.randrange(1, 11))
            if i % 3 == 0:  # a kind that is known, with any length
                options = bytes([rng.choice((2, 3, 4, 8)), rng.randrange(256)]) + options[2:]
            wire(ipv4(tcp(CLIENT, 3000 + i, SYN, options=options), CLIENT))


class Handshake:
    """A connection made by hand up to its first data."""

    def __init__(self, lab, wire, port):
        self.wire, self.port, self.isn = wire, port, 5000 + port
        with lab.inside("client"):
            heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            heard.bind(("eth0", 0x0800))
        heard.settimeout(30)
        wire(ipv4(tcp(CLIENT, port, SYN, self.isn, options=b"\2\4\5\xb4"), CLIENT))
        while True:
            frame = heard.recv(2000)
            if frame[23] == 6 and struct.unpack("!H", frame[36:38])[0] == port and frame[47] == SYN | ACK:
                break
        heard.close()
        self.cookie = struct.unpack("!I", frame[38:42])[0]

    def data(self, data, offset=0, **how):
        self.wire(ipv4(tcp(CLIENT, self.port, ACK | PSH, self.isn + 1 + offset, self.cookie + 1, data, **how), CLIENT))


def quiet_client(lab, port):
    """The client's own stack would reset what it knows nothing of."""
    lab.exec("client", "nft", "add table ip baton_test; add chain ip baton_test out { type filter hook output priority 0; }; "
             "add rule ip baton_test out tcp sport %d tcp flags rst drop" % port)


def test_bad_checksums_and_overlaps(lab, wire):
    request = b"GET /t/overlap HTTP/1.1\r\nHost: %s\r\n\r\n" % VIP.encode()
    port = 41000 + os.getpid() % 1000
    quiet_client(lab, port)
    with unharmed(lab, "bad_checksum"):
        wrong = Handshake(lab, wire, port)
        for _ in range(20):
            wrong.data(request, bad=0x1234)
    served = lab.served()
    wrong.data(request)
    until(lambda: lab.served() == served + 1, "the request in the logs")
    # The same bytes again, whole and in parts that overlap: the server sees the stream once.
    with unharmed(lab):
        for _ in range(5):
            wrong.data(request)
            wrong.data(request[5:], offset=5)
            wrong.data(b"X" * 10, offset=3)


def test_ports_that_nobody_serves(lab, wire):
    with unharmed(lab):
        for port in range(1, 1200):
            if port not in (80, 443):
                wire(ipv4(tcp(CLIENT, 50000, SYN, to=port), CLIENT))


def configure(lab, lines):
    path = os.path.join(lab.run_folder, "baton.yaml")
    with open(path) as file:
        text = file.read()
    if not os.path.exists(path + ".first"):
        with open(path + ".first", "w") as file:
            file.write(text)
    with open(path + ".first") as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("  - name: web\n", "  - name: web\n" + "".join("    %s\n" % line for line in lines)))
    lab.baton("reload")


def refused(lab, source=None):
    try:
        with lab.connect(source=source) as connection:
            connection.get("/t/1")
        return False
    except (ConnectionError, AssertionError):
        return True


def test_limits_of_one_client(lab):
    try:
        configure(lab, ["source_connections: 5"])
        before = fronts(lab)
        held = [lab.connect() for _ in range(5)]
        for connection in held:
            assert connection.get("/t/1").status == 200
        assert refused(lab)
        assert fronts(lab)["source_connections"] > before["source_connections"]
        # Another address has its own share, and those that are there go on.
        with lab.connect(source=("10.77.1.1", 0)) as other:
            assert other.get("/t/2").status == 200
        for connection in held:
            assert connection.get("/t/3").status == 200
            connection.close()
        until(lambda: not refused(lab), "the closed ones don't count any more")
        configure(lab, ["source_rate: 3"])
        before = fronts(lab)
        assert sum(refused(lab) for _ in range(40)) > 0
        assert fronts(lab)["source_rate"] > before["source_rate"]
        configure(lab, [])
        assert not any(refused(lab) for _ in range(20))
    finally:
        configure(lab, [])


def test_limits_hold_in_a_flood(lab, wire):
    """SYNs and made-up cookies from strangers, half of them denied: limits and lists do what they do without."""
    limited, free = ("10.77.1.8", 0), ("10.77.1.7", 0)  # addresses that no other test has used up
    request = b"GET /t/bad HTTP/1.1\r\nHost: x\r\n\r\n"
    try:
        configure(lab, ["source_connections: 5", "deny: [10.77.9.0/25]"])
        before = fronts(lab)
        held = [lab.connect(source=limited) for _ in range(5)]
        for connection in held:
            assert connection.get("/t/1").status == 200
        for i in range(600):
            source = "10.77.9.%d" % (i % 250 + 1)
            wire(ipv4(tcp(source, 1024 + i, SYN, seq=i * 7919), source))
            wire(ipv4(tcp(source, 1024 + i, ACK | PSH, i, i * 7919, request), source))
            if i % 150 == 0:
                assert refused(lab, limited)
                with lab.connect(source=free) as other:
                    assert other.get("/t/2").status == 200
        for connection in held:
            assert connection.get("/t/3").status == 200
            connection.close()
        after = fronts(lab)
        assert all(after[counter] > before[counter] for counter in ("denied", "source_connections"))
    finally:
        configure(lab, [])


def test_allow_and_deny(lab):
    def served_to(source):
        with lab.inside("client"), socket.socket() as plain:
            plain.settimeout(2)
            plain.bind((source, 0))
            try:
                plain.connect((VIP, 80))
            except TimeoutError:
                return False
            plain.sendall(b"GET /t/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            plain.settimeout(30)
            return plain.recv(12) == b"HTTP/1.1 200"

    try:
        configure(lab, ["deny: [10.77.1.0/30, 10.77.1.9]"])
        before = fronts(lab)["denied"]
        assert not served_to("10.77.1.2") and not served_to("10.77.1.9")
        assert served_to("10.77.1.5") and served_to(CLIENT)
        assert fronts(lab)["denied"] > before
        configure(lab, ["allow: [10.77.1.0/24]", "deny: 10.77.1.0/30"])
        assert served_to("10.77.1.5") and not served_to("10.77.1.1") and not served_to(CLIENT)
        configure(lab, [])
        assert served_to("10.77.1.1") and served_to(CLIENT)
    finally:
        configure(lab, [])
