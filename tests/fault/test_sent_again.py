"""Whatever a stranger saw on the wire and sends again, at any later time, runs nothing twice and
disturbs nobody."""

import contextlib
import socket

import pytest

from labs import Lab, until, where


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("replay", "-n", 2)
    yield lab
    lab.down()


class Wire:
    """Every frame that one host sends or gets, and a way to send frames from there."""

    def __init__(self, lab, host):
        with lab.inside(host):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)
            self.socket.bind(("eth0", 0))
        self.socket.setblocking(False)

    def frames(self):
        """Those since the last call, with whether this host sent them."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, address = self.socket.recvfrom(65536)
                found.append((frame, address[2] == socket.PACKET_OUTGOING))
        return found

    def send(self, frame):
        self.socket.setblocking(True)
        self.socket.send(frame)
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()


def is_tcp(frame):
    return frame[12:14] == b"\x08\0" and frame[23] == 6 and 80 in (
        int.from_bytes(frame[34:36], "big"), int.from_bytes(frame[36:38], "big"))


def is_baton(frame):
    return frame[12:14] == b"\x08\0" and frame[23] == 17 and frame[36:38] == (7700).to_bytes(2, "big")


@pytest.fixture(name="wires")
def all_wires(lab):
    wires = {host: Wire(lab, host) for host in ("client", "node1", "node2")}
    yield wires
    for wire in wires.values():
        wire.close()


def paths_of(lab):
    found = {"node1": [], "node2": []}
    for i in range(40):
        path = "/t/replay%d" % i
        found[where(lab, path)].append(path)
    return found


def sockets(lab):
    return [line for node in ("node1", "node2") for line in lab.server_sockets(node)]


def recorded(wires):
    """(wire, frame) of all that the client sent, and all Baton headers, sent again from where they
    were seen: those that a node got come in from the front, so they go out there."""
    found = [(wires["client"], frame) for frame, sent in wires["client"].frames() if sent and is_tcp(frame)]
    for node in ("node1", "node2"):
        for frame, sent in wires[node].frames():
            if is_baton(frame):
                found.append((wires[node] if sent else wires["client"], frame))
    return found


@pytest.mark.parametrize("when", ["open", "closed"])
def test_replays(lab, wires, when):
    paths = paths_of(lab)
    served = lab.served()
    for wire in wires.values():
        wire.frames()
    with lab.connect() as connection:
        for i in range(6):
            node = ("node1", "node2")[i % 2]
            assert connection.get(paths[node][i]).node == node
        until(lambda: lab.served() == served + 6, "six requests in the logs")
        if when == "closed":
            connection.close()
            until(lambda: not sockets(lab), "no socket left")
        again = recorded(wires)
        assert sum(is_baton(frame) for _, frame in again) >= 6
        assert sum(is_tcp(frame) for _, frame in again) >= 6
        for _ in range(3):
            for wire, frame in again:
                wire.send(frame)
        if when == "open":
            # The connection goes on as if nothing had been.
            for i in range(6, 12):
                node = ("node1", "node2")[i % 2]
                answer = connection.get(paths[node][i])
                assert (answer.node, answer.body) == (node, paths[node][i].encode() + b"\n")
    # Another connection's request is served after all of that was dealt with.
    with lab.connect() as connection:
        for node in ("node1", "node2"):
            assert connection.get(paths[node][0]).node == node
    wanted = served + 6 + (6 if when == "open" else 0) + 2
    until(lambda: lab.served() >= wanted, "all requests in the logs")
    assert lab.served() == wanted
    until(lambda: not sockets(lab), "no socket left")


def test_forged_headers_are_refused(lab, wires):
    paths = paths_of(lab)
    served = lab.served()
    for wire in wires.values():
        wire.frames()
    with lab.connect() as connection:
        assert connection.get(paths["node1"][0]).node == "node1"
        assert connection.get(paths["node2"][0]).node == "node2"
        until(lambda: lab.served() == served + 2, "two requests in the logs")
        headers = [(wire, frame) for wire, frame in recorded(wires) if is_baton(frame)]
        assert headers
        for wire, frame in headers:
            for at in range(42, len(frame), 7):
                bent = bytearray(frame)
                bent[at] ^= 0x10
                # No UDP checksum: the header's own must do.
                bent[40:42] = b"\0\0"
                wire.send(bytes(bent))
        assert connection.get(paths["node1"][1]).node == "node1"
        assert connection.get(paths["node2"][1]).node == "node2"
    until(lambda: lab.served() >= served + 4, "four requests in the logs")
    assert lab.served() == served + 4
    until(lambda: not sockets(lab), "no socket left")
