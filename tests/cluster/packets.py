"""Packets of every class the monitor tells apart, made by hand, and the pcap files that hold them.

Checksums are left at 0: neither the monitor nor tshark's classification looks at them.
"""
import socket
import struct

MAC_A = bytes.fromhex("020000000001")
MAC_B = bytes.fromhex("020000000002")
BATON_PORT = 7700


def ethernet(kind, payload, to=MAC_B, source=MAC_A, vlans=()):
    tags = b"".join(struct.pack("!HH", tpid, tag) for tpid, tag in vlans)
    return to + source + tags + struct.pack("!H", kind) + payload


def ipv4(protocol, payload, source="10.77.1.1", to="10.77.0.100", offset=0, more=False, options=b""):
    fragment = (0x2000 if more else 0) | offset // 8
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload),
                       7, fragment, 64, protocol, 0, socket.inet_aton(source), socket.inet_aton(to))
    return head + options + payload


def ipv6(next_header, payload, source="fd77::1", to="fd77::100"):
    return (struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64)
            + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
            + payload)


def extension(next_header, length=8):
    """A hop-by-hop or destination options header filled with one PadN."""
    return bytes([next_header, length // 8 - 1, 1, length - 4]) + bytes(length - 4)


def routing(next_header):
    return bytes([next_header, 0, 253, 0]) + bytes(4)


def fragment6(next_header, offset, more):
    return struct.pack("!BBHI", next_header, 0, offset | more, 99)


def tcp(payload=b"", source=40000, to=80, flags=0x18):
    return struct.pack("!HHIIBBHHH", source, to, 1, 1, 5 << 4, flags, 1000, 0, 0) + payload


def udp(payload=b"", source=5000, to=5001):
    return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload


def icmp(payload=b"", kind=8):
    return struct.pack("!BBHHH", kind, 0, 0, 1, 1) + payload


def arp(operation=1, source="10.77.0.2", to="10.77.0.100", mac=MAC_A):
    return (struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + socket.inet_aton(source)
            + bytes(6) + socket.inet_aton(to))


def baton(kind, inner=b"", to="10.77.0.11", port=BATON_PORT):
    head = struct.pack("!HBB", 0x4274, 1, kind) + bytes(52)
    return ethernet(0x0800, ipv4(17, udp(head + inner, port, port), "10.77.0.2", to))


def every_kind(random):
    """One packet of each shape, with lengths drawn from `random`."""
    def some():
        return bytes(random.randrange(1400))

    shapes = [
        ethernet(0x0800, ipv4(6, tcp(some()))),
        ethernet(0x0800, ipv4(6, tcp(some()), options=bytes([1] * 12))),
        ethernet(0x0800, ipv4(6, tcp(some()), more=True)),
        ethernet(0x0800, ipv4(6, some(), offset=1480)),
        ethernet(0x0800, ipv4(6, tcp(), to="10.77.0.11")),
        ethernet(0x0800, ipv4(6, tcp(some())), vlans=[(0x8100, 5)]),
        ethernet(0x0800, ipv4(6, tcp(some())), vlans=[(0x88a8, 9), (0x8100, 5)]),
        ethernet(0x0800, ipv4(17, udp(some()))),
        ethernet(0x0800, ipv4(17, some(), offset=2960, more=True)),
        ethernet(0x0800, ipv4(1, icmp(some()))),
        ethernet(0x0800, ipv4(47, some())),
        ethernet(0x0800, ipv4(132, some())),
        ethernet(0x86dd, ipv6(6, tcp(some()))),
        ethernet(0x86dd, ipv6(17, udp(some()))),
        ethernet(0x86dd, ipv6(58, icmp(some(), 128))),
        ethernet(0x86dd, ipv6(0, extension(6) + tcp(some()))),
        ethernet(0x86dd, ipv6(60, extension(17, 16) + udp(some()))),
        ethernet(0x86dd, ipv6(0, extension(43) + routing(60) + extension(6) + tcp(some()))),
        ethernet(0x86dd, ipv6(44, fragment6(6, 0, 1) + tcp(some()))),
        ethernet(0x86dd, ipv6(44, fragment6(6, 1480, 0) + some())),
        ethernet(0x86dd, ipv6(44, fragment6(17, 1480, 1) + some())),
        ethernet(0x86dd, ipv6(59, b"")),
        ethernet(0x86dd, ipv6(6, tcp(some())), vlans=[(0x8100, 77)]),
        ethernet(0x0806, arp(1)),
        ethernet(0x0806, arp(2) + bytes(18)),
        ethernet(0x0806, arp(1), vlans=[(0x8100, 77)]),
        ethernet(0x8035, arp(3)),
        ethernet(0x88cc, some()),
        ethernet(0x1234, some(), vlans=[(0x8100, 1)]),
        ethernet(60, b"\xaa\xaa\x03" + bytes(57)),
    ]
    return shapes + [baton(kind, ipv4(6, tcp(some()))) for kind in range(1, 10)]


def write_pcap(path, packets, step_us=100, link=1, snaplen=262144, start=1_700_000_000):
    """A classic pcap file, packets `step_us` apart, each cut to `snaplen` bytes."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link))
        for number, packet in enumerate(packets):
            at = number * step_us
            out.write(struct.pack("<IIII", start + at // 1_000_000, at % 1_000_000,
                                  min(len(packet), snaplen), len(packet)))
            out.write(packet[:snaplen])
