"""Broken, lying and swollen images through the distiller: the original or a smaller image that opens, never more.

MUTANTS in the environment makes longer runs; the same number makes the same files.
"""

import http.client
import http.server
import os
import random
import socket
import struct
import subprocess
import threading

import pytest

from labs import BATON
from pictures import png, wavy

MUTANTS = int(os.environ.get("MUTANTS", "300"))
MEMORY_MOST = 256 << 20  # of the process, libraries and all; images of 50 million pixels are decoded by rows
TYPES = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "text/html", "application/octet-stream", ""]


def gif(width, height, claimed=None):
    """A GIF of literal codes: each pixel as 9 bits, the table cleared before it fills."""
    bits, length, data = 0, 0, bytearray()
    codes = []
    for i in range(width * height):
        if i % 200 == 0:
            codes.append(256)
        codes.append((i * i // 97) & 255)
    for code in [*codes, 257]:
        bits |= code << length
        length += 9
        while length >= 8:
            data.append(bits & 255)
            bits >>= 8
            length -= 8
    data.append(bits)
    blocks = b"".join(bytes([len(data[at:at + 255])]) + data[at:at + 255] for at in range(0, len(data), 255))
    size = struct.pack("<HH", *(claimed or (width, height)))
    palette = b"".join(bytes([i, 255 - i, i // 2]) for i in range(256))
    return b"GIF89a" + size + b"\xf7\0\0" + palette + b"\x2c\0\0\0\0" + size + b"\0\x08" + blocks + b"\0;"


def whole_images(folder):
    """A small image of each format; JPEG, WebP and AVIF by the distiller itself."""
    source = folder / "wavy.png"
    source.write_bytes(wavy(200, 150))
    found = {"png": source.read_bytes(), "gif": gif(60, 40)}
    for kind, accept, head in (("jpeg", "", b"\xff\xd8"), ("webp", "image/webp", b"RIFF"), ("avif", "image/avif", b"")):
        subprocess.run([BATON, "distill", "file", source, "-o", folder / kind, "--profile", "4g", "--accept", accept],
                       check=True, stdout=subprocess.DEVNULL)
        data = (folder / kind).read_bytes()
        if data.startswith(head) and (kind != "avif" or data[4:12] == b"ftypavif"):
            found[kind] = data
    assert {"png", "gif", "jpeg", "webp"} <= set(found)
    return found


def swollen(images):
    """Small files that claim, or are, many pixels, or a chunk of 1.5 GB."""
    jpeg = bytearray(images["jpeg"])
    at = jpeg.find(b"\xff\xc0") if b"\xff\xc0" in jpeg else jpeg.find(b"\xff\xc2")
    jpeg[at + 5:at + 9] = struct.pack(">HH", 65500, 65500)
    webp = bytearray(images["webp"])
    webp[12:16] = b"VP8X"
    webp[24:30] = b"\xff\xff\xff\xff\xff\xff"
    text = images["png"][:33] + struct.pack(">I", 1500000000) + b"zTXt" + images["png"][33:]
    return [bytes(jpeg), bytes(webp), text, png(65000, 65000, [b"\0" * 65000] * 2), gif(8, 8, (65535, 65535)),
            png(7000, 7000, [b"\0" * 7000] * 7000), png(1, 49000000, [b"\0"] * 1000)]


def mutant(draw, images):
    kinds = sorted(images)
    data = bytearray(images[draw.choice(kinds)])
    how = draw.randrange(5)
    if how == 0:
        del data[draw.randrange(len(data)):]
    elif how == 1:
        other = images[draw.choice(kinds)]
        at = draw.randrange(12, len(data))
        data[at:] = other[draw.randrange(len(other)):]
    elif how == 2:
        at = draw.randrange(len(data))
        data[at:at] = draw.randbytes(draw.randrange(1, 64))
    # How often: mostly where heads are.
    for _ in range(draw.choice((1, 3, 20)) if how > 2 else draw.randrange(2)):
        reach = len(data) if draw.randrange(2) else min(len(data), 120)
        if reach:
            data[draw.randrange(reach)] = draw.choice((0, 1, 0x7f, 0x80, 0xff, draw.randrange(256)))
    return bytes(data)


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects = []

    def do_GET(self):
        number = int(self.path[1:])
        kind, body = Origin.objects[number]
        self.send_response(200)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(name="images", scope="module")
def made(tmp_path_factory):
    return whole_images(tmp_path_factory.mktemp("whole"))


@pytest.fixture(name="distiller", scope="module")
def started(images):
    draw = random.Random(2008)
    Origin.objects = [(draw.choice(TYPES), mutant(draw, images)) for _ in range(MUTANTS)]
    Origin.objects += [(kind, data) for data in swollen(images) for kind in ("image/png", "image/jpeg")]
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    origin.daemon_threads = True
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([BATON, "distill", "serve", "--listen", "127.0.0.1:%d" % port, "--parent",
                                "http://127.0.0.1:%d" % origin.server_address[1], "--profile", "gprs"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline().startswith("distilling")
    threading.Thread(target=process.stdout.read, daemon=True).start()
    yield process, port
    process.terminate()
    assert process.wait() == 0, "it ends when it is told to, so nothing has ended it before"
    origin.shutdown()
    origin.server_close()


def opens(data, folder):
    """Whether the distiller takes the image for whole."""
    path = folder / "answer"
    path.write_bytes(data)
    said = subprocess.run([BATON, "distill", "file", path, "--profile", "4g"], check=True, capture_output=True, text=True)
    return "unreadable" not in said.stdout and "not an image" not in said.stdout


def test_broken_images_come_whole_or_as_they_were(distiller, tmp_path):
    process, port = distiller
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    small = kept = 0
    for number, (_, original) in enumerate(Origin.objects):
        for accept in ("image/webp", None) if number % 3 == 0 else (None,):
            connection.request("GET", "/%d" % number, headers={"Accept": accept} if accept else {})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200
            if "X-Distilled" in answer.headers:
                assert len(body) < len(original)
                assert answer.headers["Content-Type"].startswith("image/") or "Content-Encoding" in answer.headers
                small += 1
                if small % 10 == 0 and answer.headers["Content-Type"].startswith("image/"):
                    assert opens(body, tmp_path)
            else:
                assert body == original, "object %d" % number
                kept += 1
    connection.close()
    assert small > MUTANTS / 20 and kept > MUTANTS / 20, (small, kept)
    with open("/proc/%d/status" % process.pid) as status:
        most = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM"))
    print("%d distilled, %d kept, at most %d MB" % (small, kept, most >> 20))
    assert most < MEMORY_MOST
