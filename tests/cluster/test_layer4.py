"""Services that go otherwise: TLS by server name, TCP and UDP only forwarded, HTTP through a tunnel."""

import socket
import ssl

import pytest

from labs import Lab, VIP, VIP6, answer_datagrams, until

PORT = 7000


@pytest.fixture(name="lab", scope="module")
def lab_with_services():
    lab = Lab("layer4", "-n", 2)
    both = ("--address", VIP, "--address", VIP6, "--port", PORT, "--health", "none")
    try:
        lab.baton("service", "add", "stream", *both, "--protocol", "tcp")
        lab.baton("service", "add", "datagrams", *both, "--protocol", "udp")
        yield lab
    finally:
        lab.down()


def servers(lab, kind, serve):
    """One socket a node and family, bound to the VIP, each served by a thread: serve(socket, node)."""
    places = [(node, address, PORT) for node in ("node1", "node2") for address in (VIP, VIP6)]
    return lab.serving(kind, places, serve)


def secure_get(lab, address, name):
    """The node that answers over TLS for that server name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with lab.client_socket(address, socket.SOCK_STREAM) as plain:
        plain.connect((address, 443))
        with context.wrap_socket(plain, server_hostname=name) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % name.encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    return answer.split(b"X-Node: ")[1].split(b"\r\n")[0].decode()


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_tls_goes_by_server_name(lab, address):
    before = lab.status()["front"]
    found = {}
    for i in range(16):
        name = "host%d.example.org" % i
        found[name] = secure_get(lab, address, name)
        assert secure_get(lab, address, name) == found[name]
    assert set(found.values()) == {"node1", "node2"}
    after = lab.status()["front"]
    assert after["handoffs_first"] == before["handoffs_first"] + 32
    assert after["fallbacks"] == before["fallbacks"]


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_tcp_is_forwarded_from_the_syn_on(lab, address):
    def serve(server, node):
        while True:
            try:
                client, peer = server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as file:
                client.sendall(b"%s %s\n" % (node, peer[0].encode()))
                client.sendall(file.read())

    data = bytes(range(256)) * 800
    nodes = set()
    with servers(lab, socket.SOCK_STREAM, serve):
        for _ in range(24):
            with lab.client_socket(address, socket.SOCK_STREAM) as client:
                client.connect((address, PORT))
                with client.makefile("rb") as file:
                    # The server speaks first here, which no HTTP server does.
                    node, peer = file.readline().split()
                    client.sendall(data)
                    client.shutdown(socket.SHUT_WR)
                    assert file.read() == data
                assert peer.decode() in ("10.77.0.1", "fd77::1")
                nodes.add(node)
            if len(nodes) == 2:
                break
    assert nodes == {b"node1", b"node2"}


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_udp_flows_stay_together(lab, address):
    def serve(server, node):
        answer_datagrams(server, lambda data, peer: node + b" " + data)

    nodes = set()
    with servers(lab, socket.SOCK_DGRAM, serve):
        for _ in range(24):
            with lab.client_socket(address, socket.SOCK_DGRAM) as client:
                client.connect((address, PORT))
                mine = set()
                for i in range(5):
                    client.send(b"%d" % i)
                    node, number = client.recv(2048).split()
                    assert int(number) == i
                    mine.add(node)
                assert len(mine) == 1
                nodes |= mine
    assert nodes == {b"node1", b"node2"}


@pytest.mark.parametrize("policy", ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "maglev", "p2c"])
def test_every_layer4_policy(lab, policy):
    def serve_tcp(server, node):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.sendall(node)

    def serve_udp(server, node):
        answer_datagrams(server, lambda data, peer: node)

    for service in ("stream", "datagrams"):
        lab.baton("service", "set", service, "--policy", policy)
    streams, flows = [], []
    with servers(lab, socket.SOCK_STREAM, serve_tcp):
        for _ in range(12):
            with lab.client_socket(VIP, socket.SOCK_STREAM) as client:
                client.connect((VIP, PORT))
                with client.makefile("rb") as file:
                    streams.append(file.read())
    with servers(lab, socket.SOCK_DGRAM, serve_udp):
        for _ in range(12):
            with lab.client_socket(VIP, socket.SOCK_DGRAM) as client:
                client.connect((VIP, PORT))
                mine = set()
                for _ in range(3):
                    client.send(b"?")
                    mine.add(client.recv(100))
                assert len(mine) == 1
                flows += mine
    for nodes in (streams, flows):
        assert set(nodes) <= {b"node1", b"node2"} and len(nodes) == 12
        if policy in ("rr", "wrr"):
            # Six each, but for a port that a flow had a minute ago, which stays where that was.
            assert 4 <= nodes.count(b"node1") <= 8
        if policy == "sh":
            assert len(set(nodes)) == 1, "one client, one node"


def test_tcp_of_a_node_that_drains_goes_on(lab):
    def serve(server, node):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                for data in iter(lambda: client.recv(100), b""):
                    client.sendall(node + b" " + data)

    with servers(lab, socket.SOCK_STREAM, serve), lab.client_socket(VIP, socket.SOCK_STREAM) as client:
        client.connect((VIP, PORT))
        client.sendall(b"a")
        node = client.recv(100).split()[0]
        lab.baton("drain", node.decode())
        client.sendall(b"b")
        assert client.recv(100) == node + b" b"
        client.close()
        for _ in range(5):
            with lab.client_socket(VIP, socket.SOCK_STREAM) as other:
                other.connect((VIP, PORT))
                other.sendall(b"c")
                assert other.recv(100).split()[0] != node
        lab.baton("ready", node.decode())
        until(lambda: lab.node(node.decode())["state"] == "up", "the node is up again")


def test_http_through_a_tunnel_moves_too():
    lab = Lab("tunnel", "-n", 2, "--forward", "tunnel")
    try:
        nodes = []
        with lab.connect() as connection:
            for i in range(60):
                answer = connection.get("/t/tunnel%d" % i)
                assert answer.body.decode() == "/t/tunnel%d\n" % i
                nodes.append(answer.node)
        moved = sum(1 for before, after in zip(nodes, nodes[1:]) if before != after)
        front = lab.status()["front"]
        assert moved >= 10 and front["handoffs_later"] >= moved and front["bare"] == 0
    finally:
        lab.down()
