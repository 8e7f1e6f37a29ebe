"""A client that writes its own TCP segments: in any order, repeated, cut anywhere. It has an address of its own in
the lab's network, for which it answers ARP itself, so that no kernel interferes."""

import random
import socket
import struct
import time

from labs import PATIENCE, VIP

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def mac_of(lab, host):
    return bytes.fromhex(lab.exec(host, "cat", "/sys/class/net/eth0/address").stdout.strip().replace(":", ""))


class SegmentClient:
    """One connection to the VIP, its handshake done."""

    def __init__(self, lab, address="10.77.0.55", port=80):
        with lab.inside("client"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind(("eth0", 0))
        self.mac, self.front = self.socket.getsockname()[4], mac_of(lab, "front")
        self.address, self.vip = socket.inet_aton(address), socket.inet_aton(VIP)
        self.port, self.to = random.randrange(20000, 60000), port
        self.isn = random.randrange(1 << 32)
        self.stream, self.ended, self.acked = b"", False, 0
        self.ack = 0
        self.send(SYN, -1)
        self.until(lambda: self.ack, "a SYN-ACK")
        self.send(ACK, 0)

    def segment(self, flags, at, payload=b""):
        """The frame of a segment whose payload stands at `at` of our stream."""
        seq = (self.isn + 1 + at) % (1 << 32)
        tcp = struct.pack("!HHIIBBHHH", self.port, self.to, seq, self.ack if flags & ACK else 0, 5 << 4, flags,
                          64000, 0, 0) + payload
        pseudo = self.address + self.vip + struct.pack("!BBH", 0, 6, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0, self.address, self.vip)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return self.front + self.mac + b"\x08\0" + ip + tcp

    def send(self, flags, at, payload=b""):
        self.socket.send(self.segment(flags, at, payload))

    def take(self, frame):
        """What comes for us: ARP is answered, the stream is kept and acknowledged."""
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == self.address:
            self.socket.send(frame[6:12] + self.mac + frame[12:20] + b"\0\2" + self.mac + self.address
                             + frame[22:28] + frame[28:32])
            return
        if (frame[12:14] != b"\x08\0" or frame[23] != 6 or frame[26:30] != self.vip
                or frame[30:34] != self.address or frame[36:38] != struct.pack("!H", self.port)):
            return
        tcp = frame[34:14 + int.from_bytes(frame[16:18], "big")]
        seq, ack, flags = int.from_bytes(tcp[4:8], "big"), int.from_bytes(tcp[8:12], "big"), tcp[13]
        if flags & RST:
            self.ended = True
        elif flags & SYN:
            self.ack = (seq + 1) % (1 << 32)
        elif self.ack:
            self.acked = max(self.acked, (ack - self.isn - 1) % (1 << 32))
            payload = tcp[(tcp[12] >> 4) * 4:]
            if seq == self.ack and (payload or flags & FIN):
                self.stream += payload
                self.ended |= bool(flags & FIN)
                self.ack = (seq + len(payload) + (flags & FIN)) % (1 << 32)
            if payload or flags & FIN:
                self.send(ACK, self.acked)

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "still not after %d s: %s" % (PATIENCE, what)
            self.socket.settimeout(0.05)
            try:
                frame, address = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            if address[2] != socket.PACKET_OUTGOING:
                self.take(frame)

    def response(self):
        """The next whole response: (node, body)."""
        self.until(lambda: b"\r\n\r\n" in self.stream, "a response's head")
        head = self.stream.partition(b"\r\n\r\n")[0]
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        end = len(head) + 4 + length
        self.until(lambda: len(self.stream) >= end, "a response's body")
        body, self.stream = self.stream[end - length:end], self.stream[end:]
        assert head.startswith(b"HTTP/1.1 200"), head
        return fields[b"x-node"].decode(), body

    def close(self):
        self.send(RST | ACK, self.acked)
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
