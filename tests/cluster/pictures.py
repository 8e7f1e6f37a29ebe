"""Images for tests, made here: the same each time."""

import struct
import zlib


def png(width, height, rows):
    """A grey PNG that claims width x height and holds `rows`."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def wavy(width, height):
    """An image with something in it at every scale, the same each time."""
    return png(width, height, (bytes((x * x // 97 + y * y // 61 + (x ^ y)) & 255 for x in range(width))
                               for y in range(height)))
