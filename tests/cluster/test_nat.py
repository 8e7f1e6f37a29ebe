"""Nodes that don't carry the VIP: the front translates both ways, for TCP and UDP, IPv4 and IPv6."""

import hashlib
import os
import random
import socket

import pytest

from labs import Lab, VIP, VIP6, answer_datagrams, until

PORT = 7000
SIZE = 3000000


@pytest.fixture(name="lab", scope="module")
def lab_without_vip(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    os.chmod(root, 0o755)
    (root / "big").write_bytes(random.Random(3).randbytes(SIZE))
    lab = Lab("nat", "-n", 3, "--forward", "nat", "--root", root, "--policy", "rr")
    both = ("--address", VIP, "--address", VIP6, "--health", "none", "--forward", "nat", "--policy", "rr")
    try:
        lab.baton("service", "add", "datagrams", *both, "--port", PORT, "--protocol", "udp")
        lab.baton("service", "add", "singles", *both, "--port", PORT + 1, "--protocol", "udp", "--schedule", "packet")
        yield lab
    finally:
        lab.down()


def test_nodes_have_no_vip(lab):
    assert VIP not in lab.exec("node1", "ip", "address").stdout
    assert VIP6 not in lab.exec("node1", "ip", "address").stdout


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_stock_servers_answer_with_the_vip(lab, address):
    nodes = set()
    for i in range(9):
        with lab.connect(address) as connection:
            for j in range(3):
                answer = connection.get("/t/%d.%d" % (i, j))
                assert answer.body.decode() == "/t/%d.%d\n" % (i, j)
                nodes.add(answer.node)
    assert nodes == {"node1", "node2", "node3"}
    with open(os.path.join(lab.run_folder, "log", "node1.access")) as log:
        assert any(line.startswith(("10.77.0.1 ", "::ffff:10.77.0.1 ", "fd77::1 ")) for line in log), \
            "the server sees the client's own address"


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_megabytes_both_ways(lab, address):
    expected = hashlib.sha256(random.Random(3).randbytes(SIZE)).digest()
    before = lab.status()["front"]
    with lab.connect(address) as connection:
        assert hashlib.sha256(connection.get("/big").body).digest() == expected
        # nginx takes no more than a megabyte.
        assert connection.get("/t/up", "POST", body=bytes(900000)).status == 200
    after = lab.status()["front"]
    assert after["nat_out"] > before["nat_out"] and after["nat_in"] > before["nat_in"]
    assert after["nat_clashes"] == 0


def echoes(lab, port):
    """On each node one UDP socket a family, on its own address, that answers with the node's name."""
    places = [("node%d" % i, address % (10 + i), port) for i in (1, 2, 3) for address in ("10.77.0.%d", "fd77::%d")]
    return lab.serving(socket.SOCK_DGRAM, places, lambda server, node: answer_datagrams(
        server, lambda data, peer: node + b" " + peer[0].encode() + b" " + data))


def udp_client(lab, address, port):
    client = lab.client_socket(address, socket.SOCK_DGRAM)
    client.connect((address, port))
    return client


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_udp_flows_and_single_datagrams(lab, address):
    mine = "fd77::1" if ":" in address else "10.77.0.1"
    for port, each in ((PORT, 1), (PORT + 1, 3)):
        nodes = set()
        with echoes(lab, port):
            for _ in range(3):
                with udp_client(lab, address, port) as client:
                    here = set()
                    for i in range(6):
                        client.send(b"%d" % i)
                        # A connected socket takes only what comes from the VIP.
                        node, peer, number = client.recv(2048).split()
                        assert (peer.decode(), int(number)) == (mine, i)
                        here.add(node)
                    assert len(here) == each
                    nodes |= here
        assert nodes == {b"node1", b"node2", b"node3"}


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_an_icmp_error_finds_the_client(lab, address):
    """Nobody listens on the node: its "port unreachable" comes back as the VIP's, else the socket wouldn't hear it."""
    def refused():
        with udp_client(lab, address, PORT) as client:
            client.settimeout(1)
            client.send(b"anybody?")
            try:
                client.recv(100)
            except ConnectionRefusedError:
                return True
            except socket.timeout:  # hosts send only so many of them at a time
                return False
            return False

    until(refused, "the client hears that nobody listens")


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_path_mtu_reaches_the_node(lab, address):
    """A router before the client says "too big", with the VIP as the sender that it quotes."""
    six = ":" in address
    with echoes(lab, PORT), udp_client(lab, address, PORT) as client:
        client.send(b"hello")
        node = client.recv(2048).split()[0].decode()
        message = too_big(client.getsockname()[1], six)
        with lab.inside("client"):
            raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW,
                                socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP)
        peer = "fd77::1" if six else "10.77.0.1"
        with raw:
            raw.sendto(message, (address, 0))
            until(lambda: "mtu 1300" in lab.exec(node, "ip", "route", "get", peer).stdout,
                  "%s knows that 1300 bytes are the most" % node)
        client.send(b"again")
        assert client.recv(2048).split()[0].decode() == node


def too_big(port, six):
    """ICMP "packet too big" or "fragmentation needed", 1300 bytes, about a datagram from the VIP to the client."""
    datagram = PORT.to_bytes(2, "big") + port.to_bytes(2, "big") + (1480).to_bytes(2, "big") + bytes(2)
    if six:
        quoted = bytes([0x60, 0, 0, 0, 5, 0xc8, 17, 64]) + socket.inet_pton(socket.AF_INET6, VIP6) + \
            socket.inet_pton(socket.AF_INET6, "fd77::1") + datagram
        return bytes([2, 0, 0, 0]) + (1300).to_bytes(4, "big") + quoted  # the kernel fills the checksum in
    header = bytearray([0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 64, 17, 0, 0]) + socket.inet_aton(VIP) + \
        socket.inet_aton("10.77.0.1")
    header[10:12] = ones(header).to_bytes(2, "big")
    message = bytearray([3, 4, 0, 0, 0, 0]) + (1300).to_bytes(2, "big") + header + datagram
    message[2:4] = ones(message).to_bytes(2, "big")
    return bytes(message)


def ones(data):
    total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def test_http_by_nat_is_refused_with_its_reason(lab):
    done = lab.baton("service", "add", "other", "--address", "10.77.0.101", "--port", 80, "--forward", "nat",
                     check=False)
    assert done.returncode == 1 and "nat is for tcp and udp" in done.stderr
