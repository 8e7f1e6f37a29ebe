"""Whoever can record what goes over the wire and send it again: nothing runs twice, nothing breaks."""

import socket
import struct

import pytest

from labs import Lab, VIP, VIP6, targets_by_node, until

BATON_PORT = 7700
EVERYTHING = 3  # ETH_P_ALL
SO_RCVBUFFORCE = 33


@pytest.fixture(name="lab", scope="module")
def lab_of_three():
    lab = Lab("replay", "-n", 3)
    yield lab
    lab.down()


class Tap:
    """Every frame that passes a host's device, in both directions."""

    def __init__(self, lab, host):
        with lab.inside(host):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self.socket.bind(("eth0", EVERYTHING))
        self.socket.setblocking(False)
        self.mac = self.socket.getsockname()[4]

    def frames(self):
        """What came since the last time."""
        frames = []
        while True:
            try:
                frames.append(self.socket.recv(4096))
            except BlockingIOError:
                return frames

    def close(self):
        self.socket.close()


def transport(frame):
    """Protocol, destination port, and what is behind the transport header's first four bytes."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800:
        protocol, at = frame[23], 14 + (frame[14] & 15) * 4
    elif kind == 0x86dd:
        protocol, at = frame[20], 54
    else:
        return None, None
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        return None, None
    return protocol, struct.unpack_from("!H", frame, at + 2)[0]


def worth_replaying(frame):
    return transport(frame) in ((socket.IPPROTO_TCP, 80), (socket.IPPROTO_UDP, BATON_PORT))


def replay(taps, frames):
    """Sends them all again, from the client's place in the network. The sender's link address is the
    client's own, so that the switch doesn't learn others there."""
    for frame in frames:
        taps["client"].socket.send(frame[:6] + taps["client"].mac + frame[12:])


def settle(lab, count=5):
    """Requests of other connections, to every node, that pass behind all that was sent before."""
    for i in range(count):
        with lab.connect() as connection:
            assert len(targets_by_node(connection, 30, "/t/settle%d-" % i)) == 3
    return count * 30


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_replays_run_nothing_and_disturb_nothing(lab, address):
    taps = {host: Tap(lab, host) for host in ("client", "node1", "node2", "node3")}
    with lab.connect() as probe:
        targets = targets_by_node(probe)
    paths = [targets["node%d" % (1 + i % 3)][i % 5] for i in range(24)]
    settle(lab, 1)
    for tap in taps.values():
        tap.frames()
    expected = lab.served()
    recorded = []

    def asked(count):
        nonlocal expected
        expected += count
        until(lambda: lab.served() >= expected, "all requests in the servers' logs")
        assert lab.served() == expected

    with lab.connect(address) as connection:
        for path in paths:
            assert connection.get(path).body.decode() == path + "\n"
        asked(len(paths))
        # What the client sent, what nodes got and sent under Baton headers: each frame once.
        for tap in taps.values():
            recorded += [frame for frame in tap.frames() if worth_replaying(frame)]
        handed = [frame for frame in recorded if transport(frame)[1] == BATON_PORT]
        assert len(handed) >= 2 * (len(paths) - 1)
        # While the connection lives, in order and backwards.
        before = lab.status()["front"]["stale"]
        replay(taps, recorded)
        replay(taps, reversed(recorded))
        asked(settle(lab))
        # They did get there: returns were refused, for they speak of a generation that is gone. (Not
        # all of them: a burst may be more than a virtual cable holds.)
        assert lab.status()["front"]["stale"] > before
        for path in paths:
            assert connection.get(path).body.decode() == path + "\n"
        asked(len(paths))
    # When it is over.
    for tap in taps.values():
        recorded += [frame for frame in tap.frames() if worth_replaying(frame)]
    replay(taps, recorded)
    asked(settle(lab))
    for node in ("node1", "node2", "node3"):
        until(lambda: not lab.server_sockets(node), "no socket is left on " + node)
    replay(taps, reversed(recorded))
    asked(settle(lab))
    for node in ("node1", "node2", "node3"):
        until(lambda: not lab.server_sockets(node), "no socket is left on " + node)
    assert not any(lab.server_errors().values())
    for tap in taps.values():
        tap.close()
