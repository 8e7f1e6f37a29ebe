"""The monitor's window on a screen of its own: every button pressed, and what is drawn then."""
import json
import math
import os
import shutil
import subprocess
import time

import pytest

from screen import Screen, until

BUILD = os.path.dirname(os.environ.get(
    "BATON", os.path.join(os.path.dirname(__file__), "../../build/baton")))
WINDOW = os.path.join(BUILD, "src/monitor/baton-window")
COLOURS = {"total": (0x3B, 0x5B, 0xDB), "tcp": (0x2B, 0x8A, 0x3E), "ip": (0xD9, 0x48, 0x0F),
           "arp": (0x9C, 0x36, 0xB5), "other": (0x86, 0x8E, 0x96)}
GRAPH_TOP, GRAPH_BOTTOM = 130, 470
PAUSE, SAVE = (381, 90), (477, 90)
# PICTURES=docs/pictures writes the documents' screenshots anew.
PICTURES = os.environ.get("PICTURES")

pytestmark = pytest.mark.skipif(
    not (os.access(WINDOW, os.X_OK) and shutil.which("Xvfb") and shutil.which("xdotool")),
    reason="the window needs GTK 4, Xvfb and xdotool")


def line(second, host="front", scale=1.0):
    def count(rate):
        return {"packets": int(rate * scale), "bytes": int(rate * scale * 700)}
    tcp = 60000 + 40000 * math.sin(second / 7)
    other, arp = 9000 + 4000 * math.cos(second / 3), 40 + 30 * math.sin(second / 5)
    ip = tcp + 20000 + 10000 * math.sin(second / 11)
    return json.dumps({"time": 1_700_000_000.0 + second, "seconds": 1.0, "host": host,
                       "dropped": 0, "total": count(ip + arp + other), "tcp": count(tcp),
                       "ip": count(ip), "arp": count(arp), "other": count(other)}) + "\n"


class Window:
    """The running window, fed by us."""

    def __init__(self, screen, directory):
        self.screen = screen
        self.process = subprocess.Popen([WINDOW], stdin=subprocess.PIPE, text=True,
                                        env=screen.environment, cwd=directory)
        for second in range(120):
            self.process.stdin.write(line(second))
        self.process.stdin.flush()
        for colour in COLOURS:
            until(lambda c=colour: self.button(c), f"the {colour} button")
        # Two minutes of samples fill the two minutes shown: then all lines were read.
        until(lambda: min(self.curve("total"), default=(999, 0))[0] <= 78, "the whole curve")

    def button(self, name):
        """The middle of a pressed button, found by its colour above the graph."""
        spots = self.screen.places(COLOURS[name], 20, 75)
        if len(spots) < 3000:
            return None
        return (sum(x for x, _ in spots) // len(spots), 40)

    def curve(self, name):
        return sorted(self.screen.places(COLOURS[name], GRAPH_TOP, GRAPH_BOTTOM))

    def drawn(self, name):
        return len(self.curve(name))

    def picture(self, name):
        if PICTURES:
            self.screen.save(os.path.join(PICTURES, name), 860, 520)


@pytest.fixture(name="screen", scope="module")
def own_screen():
    screen = Screen(1000, 700)
    yield screen
    screen.close()


@pytest.fixture(name="window")
def running_window(screen, tmp_path):
    window = Window(screen, tmp_path)
    window.directory = tmp_path
    yield window
    window.process.stdin.close()
    window.process.terminate()
    window.process.wait()
    until(lambda: not screen.places(COLOURS["total"], 20, 75), "an empty screen")


def test_each_button_draws_and_hides_its_class(window):
    until(lambda: all(window.drawn(name) > 30 for name in COLOURS), "all five curves")
    window.picture("monitor-linear.png")
    for name in COLOURS:
        x, y = window.button(name)
        window.screen.click(x, y)
        until(lambda n=name: not window.button(n), f"{name} let go")
        until(lambda n=name: window.drawn(n) == 0, f"no curve of {name}")
        window.screen.click(x, y)
        until(lambda n=name: window.button(n), f"{name} pressed again")
        until(lambda n=name: window.drawn(n) > 30, f"the curve of {name} again")


def test_keys_do_what_the_buttons_do(window):
    window.screen.do("mousemove", 700, 92)
    for key, name in zip("tciao", COLOURS):
        window.screen.do("key", key)
        until(lambda n=name: window.drawn(n) == 0 and not window.button(n), f"key {key}")
        window.screen.do("key", key)
        until(lambda n=name: window.drawn(n) > 30 and window.button(n), f"key {key} again")


def test_scales(window):
    """ARP's 40 a second are a flat line beside 100,000 on the linear scale; on the others not."""
    def rows_of_arp():
        return {y for _, y in window.screen.places(COLOURS["arp"], GRAPH_TOP, GRAPH_BOTTOM)}
    until(lambda: 0 < len(rows_of_arp()) <= 4, "ARP flat on the linear scale")
    window.screen.do("mousemove", 700, 92, "key", "s")
    until(lambda: len(rows_of_arp()) > 20, "ARP's wave on the logarithmic scale")
    window.picture("monitor-log.png")
    window.screen.do("key", "s")
    # The strips are drawn in shades, the pure colour is that of 1 M and more.
    until(lambda: all(window.drawn(name) == 0 for name in COLOURS), "bands")
    window.picture("monitor-bands.png")
    window.screen.do("key", "b")
    until(lambda: window.drawn("total") > 1000, "millions of bytes a second in the full shade")
    window.screen.do("key", "s")
    until(lambda: 0 < len(rows_of_arp()) <= 4, "linear again")


def at_rest(look):
    """What `look` sees, once it sees the same twice."""
    def twice():
        first = look()
        time.sleep(0.1)
        return first if first and first == look() else None
    return until(twice, "rest")


def test_pause_holds_the_graph(window):
    def saved():
        """Presses Ctrl+E; the number of lines of the largest file so far."""
        window.screen.do("key", "Control_L+e")
        return max((len(path.read_text().splitlines()) for path in window.directory.glob("*.csv")),
                   default=0)
    window.screen.click(*PAUSE)
    window.screen.do("mousemove", 700, 92)
    held = at_rest(lambda: window.curve("total"))
    window.process.stdin.write("".join(line(120 + second) for second in range(30)))
    window.process.stdin.write("this is no line of a monitor\n")
    window.process.stdin.flush()
    until(lambda: saved() == 151, "all values counted while paused")
    assert at_rest(lambda: window.curve("total")) == held
    window.screen.do("key", "space")
    until(lambda: window.curve("total") != held, "the graph going on")


def test_lists_are_chosen_from(window):
    """Scale to log, packets to bytes, 2 minutes to 1: by pointer and keyboard."""
    window.screen.do("mousemove", 700, 92)
    before = at_rest(lambda: window.curve("total"))
    for x in (58, 169, 280):
        window.screen.click(x, 90)
        at_rest(window.screen.pixels)
        window.screen.do("key", "Down", "key", "Return", "mousemove", 700, 92)
        until(lambda old=before: window.drawn("total") > 30 and window.curve("total") != old,
              "another graph")
        before = at_rest(lambda: window.curve("total"))
    assert min(x for x, _ in before) < 75, "one minute of two fills the graph to its edge"


def test_saving(window):
    window.screen.click(*SAVE)
    png = until(lambda: list(window.directory.glob("baton-monitor-*.png")), "a PNG")[0]
    until(lambda: png.read_bytes().endswith(b"IEND\xaeB`\x82"), "a whole PNG")
    window.screen.do("mousemove", 400, 300, "key", "Control_L+g")
    svg = until(lambda: list(window.directory.glob("baton-monitor-*.svg")), "an SVG")[0]
    until(lambda: svg.read_text().rstrip().endswith("</svg>"), "a whole SVG")
    window.screen.do("key", "Control_L+e")
    csv = until(lambda: list(window.directory.glob("baton-monitor-*.csv")), "a CSV")[0]
    rows = csv.read_text().splitlines()
    assert rows[0].startswith("time,host,total_packets_per_second,total_bytes_per_second,tcp_")
    assert len(rows) == 121 and rows[1].startswith("1700000000.000,front,")


def test_several_hosts_add_up(window):
    """With a second host of nine times the traffic the sum is drawn; hover shows values."""
    window.screen.do("mousemove", 700, 92)
    window.process.stdin.write("".join(line(120 + s, host, scale) for s in range(60)
                                       for host, scale in (("front", 1), ("node1", 9))))
    window.process.stdin.flush()
    # 10 times the traffic: the curve's first half sinks to the lowest quarter of the graph.
    def early():
        return [y for x, y in window.screen.places(COLOURS["total"], GRAPH_TOP, GRAPH_BOTTOM)
                if 100 < x < 300]
    until(lambda: early() and min(early()) > 380, "the sum of two hosts")
    window.screen.do("mousemove", 500, 250)
    until(lambda: len(window.screen.places((255, 255, 255), 160, 250)) > 3000, "the values' box")
    window.picture("monitor-hosts.png")


def test_menu_quits(window):
    window.screen.do("mousemove", 400, 300, "key", "Control_L+q")
    until(lambda: window.process.poll() is not None, "the end")
    assert window.process.returncode == 0


def test_the_menu_opens_and_its_quit_ends(window):
    window.screen.click(30, 11)
    until(lambda: len(window.screen.places((255, 255, 255), 25, 250)) > 5000, "the open menu")
    white = at_rest(lambda: window.screen.places((255, 255, 255), 25, 250))
    window.picture("monitor-menu.png")
    window.screen.click(white[0][0] + 40, max(y for _, y in white) - 18)
    until(lambda: window.process.poll() is not None, "the end")
    assert window.process.returncode == 0


def test_baton_monitor_starts_it(screen, tmp_path):
    """`baton monitor --gtk` on a file: the window opens; quitting it ends the command."""
    import packets as make  # pylint: disable=import-outside-toplevel
    path = tmp_path / "some.pcap"
    make.write_pcap(path, [make.ethernet(0x0800, make.ipv4(6, make.tcp()))] * 5000, step_us=20000)
    command = subprocess.Popen([os.path.join(BUILD, "baton"), "monitor", "--gtk", "--read", path],
                               env=screen.environment, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: len(screen.places(COLOURS["tcp"], 20, 75)) > 3000, "the window")
        screen.do("mousemove", 400, 300, "key", "Control_L+q")
        until(lambda: command.poll() is not None, "the end of the command")
        assert command.returncode == 0, command.stderr.read()
    finally:
        command.kill()
        command.wait()
