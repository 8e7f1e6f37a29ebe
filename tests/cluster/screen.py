"""A screen of its own (Xvfb), a pointer and a keyboard (xdotool), and what is to be seen on it."""
import os
import struct
import subprocess
import tempfile
import time
import zlib


def until(condition, what, seconds=60):
    """Polls until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.05)


class Screen:
    def __init__(self, width, height):
        self.directory = tempfile.TemporaryDirectory(prefix="baton-screen-")
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-fbdir",
             self.directory.name, "-nolisten", "tcp"], pass_fds=[write],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as number:
            self.display = f":{number.readline().strip()}"
        self.environment = {**os.environ, "DISPLAY": self.display, "GSK_RENDERER": "cairo",
                            "GDK_BACKEND": "x11", "GTK_A11Y": "none", "TZ": "UTC",
                            "GSETTINGS_BACKEND": "memory", "LC_ALL": "C.UTF-8",
                            "GTK_THEME": "Adwaita"}

    def close(self):
        self.server.terminate()
        self.server.wait()
        self.directory.cleanup()

    def do(self, *arguments):
        subprocess.run(["xdotool", *map(str, arguments)], env=self.environment, check=True)

    def click(self, x, y):
        self.do("mousemove", x, y, "click", 1)

    def pixels(self):
        """Width, height and the rows, each a bytes of BGRX."""
        with open(os.path.join(self.directory.name, "Xvfb_screen0"), "rb") as file:
            data = file.read()
        head = struct.unpack(">25I", data[:100])
        width, height, line, begin = head[4], head[5], head[12], head[0] + 12 * head[19]
        return width, height, [data[begin + y * line:begin + y * line + 4 * width]
                               for y in range(height)]

    def places(self, colour, top=0, bottom=None):
        """Where pixels of exactly this colour (red, green, blue) are, as (x, y)."""
        width, height, rows = self.pixels()
        wanted = bytes(reversed(colour))
        found = []
        for y in range(top, min(bottom or height, height)):
            at = rows[y].find(wanted)
            while at >= 0:
                if at % 4 == 0:
                    found.append((at // 4, y))
                at = rows[y].find(wanted, at + 1)
        return found

    def save(self, path, width, height):
        """The upper left part as PNG."""
        rows = self.pixels()[2][:height]
        raw = b"".join(b"\0" + b"".join(row[4 * x + 2:4 * x + 3] + row[4 * x + 1:4 * x + 2]
                                        + row[4 * x:4 * x + 1] for x in range(width))
                       for row in rows)

        def chunk(kind, data):
            return (struct.pack(">I", len(data)) + kind + data
                    + struct.pack(">I", zlib.crc32(kind + data)))

        with open(path, "wb") as out:
            out.write(b"\x89PNG\r\n\x1a\n"
                      + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                      + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))
