"""baton monitor: its counts against tshark's, the kernel's, and themselves."""
import json
import os
import random
import re
import signal
import socket
import subprocess
import time

import pytest

import packets as make
from labs import Lab

BATON = os.environ.get("BATON", os.path.join(os.path.dirname(__file__), "../../build/baton"))
FIVE = ["total", "tcp", "ip", "arp", "other"]


def monitor(*arguments, **how):
    return subprocess.run([BATON, "monitor", *map(str, arguments)], capture_output=True, text=True,
                          check=how.pop("check", True), **how)


def summary(*arguments):
    return json.loads(monitor("--json", *arguments).stdout.splitlines()[-1])


def upper(number):
    """tshark's words for: the outermost IP header carries this protocol."""
    return " or ".join([f"ip.proto#1 == {number}", f"ipv6.nxt#1 == {number}",
                        f"ipv6.hopopts.nxt == {number}", f"ipv6.dstopts.nxt == {number}",
                        f"ipv6.routing.nxt == {number}", f"ipv6.fraghdr.nxt == {number}"])


TSHARK = {
    "total": "frame",
    "tcp": upper(6),
    "ip": "ip or ipv6",
    "arp": "arp",
    "other": "not ip and not ipv6 and not arp",
    "udp": upper(17),
    "icmp": f"{upper(1)} or {upper(58)}",
    "ipv6": "ipv6",
}


def tshark(path):
    filters = ",".join(TSHARK.values())
    text = subprocess.run(["tshark", "-n", "-q", "-o", "ip.defragment:FALSE",
                           "-o", "ipv6.defragment:FALSE", "-z", f"io,stat,0,{filters}",
                           "-r", path], capture_output=True, text=True, check=True).stdout
    row = next(line for line in text.splitlines() if "<>" in line)
    numbers = [int(n) for n in re.findall(r"\d+", row.split("<>")[1].split("|", 1)[1])]
    assert len(numbers) == 2 * len(TSHARK)
    return {key: {"packets": numbers[2 * i], "bytes": numbers[2 * i + 1]}
            for i, key in enumerate(TSHARK)}


@pytest.fixture(name="capture", scope="module")
def mixed_capture(tmp_path_factory):
    """4,000 packets of every shape in an order that a seed fixes."""
    rng = random.Random(20041)
    all_packets = []
    while len(all_packets) < 4000:
        all_packets += make.every_kind(rng)
    rng.shuffle(all_packets)
    path = tmp_path_factory.mktemp("monitor") / "mixed.pcap"
    make.write_pcap(path, all_packets)
    return path


def test_counts_equal_tshark(capture):
    ours, theirs = summary("--read", capture)["summary"], tshark(capture)
    for key, count in theirs.items():
        assert ours[key] == count, key
        assert count["packets"] > 0
    assert ours["baton"]["packets"] == sum(ours["messages"].values()) > 0
    for unit in ("packets", "bytes"):
        assert ours["total"][unit] == ours["ip"][unit] + ours["arp"][unit] + ours["other"][unit]


def test_counts_do_not_depend_on_the_snaplen(capture, tmp_path):
    """Bytes are those on the wire; 96 captured bytes decide the class of all these shapes (the
    paper's 68 all but that behind three IPv6 extension headers)."""
    short = tmp_path / "short.pcap"
    subprocess.run(["editcap", "-F", "pcap", "-s", "96", capture, short], check=True)
    assert os.path.getsize(short) < os.path.getsize(capture) / 4
    whole, cut = summary("--read", capture)["summary"], summary("--read", short)["summary"]
    for key in FIVE + ["udp", "icmp", "ipv6", "baton"]:
        assert whole[key] == cut[key], key


def test_any_cut_is_safe_and_counted(capture, tmp_path):
    for length in range(1, 68, 3):
        cut = tmp_path / "cut.pcap"
        rng = random.Random(1)
        make.write_pcap(cut, make.every_kind(rng), snaplen=length)
        result = summary("--read", cut)["summary"]
        assert result["total"]["packets"] == 39
        assert result["total"]["bytes"] == (result["ip"]["bytes"] + result["arp"]["bytes"]
                                            + result["other"]["bytes"])


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_what_is_written_reads_back(capture, tmp_path, form):
    copy = tmp_path / f"copy.{form}"
    first = summary("--read", capture, "--write", copy)
    assert summary("--read", copy)["summary"] == first["summary"]
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"]
    frames = [subprocess.run(["tshark", "-n", "-r", path, *fields], capture_output=True, text=True,
                             check=True).stdout for path in (capture, copy)]
    assert frames[0] == frames[1]
    kind = subprocess.run(["capinfos", "-t", copy], capture_output=True, text=True, check=True)
    assert ("pcapng" in kind.stdout) == (form == "pcapng")


def test_intervals_add_up(capture):
    lines = [json.loads(line) for line in
             monitor("--json", "--interval", "0.05", "--read", capture).stdout.splitlines()]
    rows, last = lines[:-1], lines[-1]
    assert len(rows) == 9  # 4,017 packets 0.1 ms apart
    for key in FIVE:
        for unit in ("packets", "bytes"):
            assert sum(row[key][unit] for row in rows) == last["summary"][key][unit]
    assert all(row["total"]["packets"] == 500 for row in rows[:-1])


def test_filter_and_count(capture):
    assert summary("--read", capture, "arp")["summary"]["arp"] == \
        summary("--read", capture, "arp")["summary"]["total"]
    assert summary("--read", capture, "-c", 123)["summary"]["total"]["packets"] == 123


def test_virtual_addresses_and_nodes(tmp_path):
    """In direct mode a node is known only by its Ethernet address; it is learnt from its own."""
    node, path = bytes.fromhex("020000000011"), tmp_path / "node.pcap"
    client_to_vip = make.ipv4(6, make.tcp(bytes(100)))
    reply = make.ipv4(6, make.tcp(bytes(1000)), "10.77.0.100", "10.77.1.1")
    make.write_pcap(path, [
        make.ethernet(0x0800, client_to_vip),
        make.ethernet(0x0806, make.arp(2, "10.77.0.11", "10.77.0.2", node), source=node),
        make.ethernet(0x0800, client_to_vip, to=node),
        make.ethernet(0x0800, reply, source=node, to=make.MAC_A),
        make.ethernet(0x0800, client_to_vip),
    ])
    found = summary("--read", path, "--vip", "web=10.77.0.100", "--node", "node1=10.77.0.11",
                    "--node", "node2=10.77.0.12")["summary"]
    assert found["vips"]["web"] == {"packets": 4, "bytes": 3 * 154 + 1054}
    assert found["nodes"]["node1"] == {"packets": 3, "bytes": 42 + 154 + 1054}
    assert found["nodes"]["node2"] == {"packets": 0, "bytes": 0}


def test_text_for_people(capture):
    text = monitor("--read", capture, "--interval", "0.1", "--all").stdout
    assert text.splitlines()[0].split() == ["Total", "TCP", "IP", "ARP", "Other", "UDP", "ICMP",
                                            "IPv6", "Baton"]
    assert re.search(r"^Total +4017 ", text, re.M)
    assert "handoff" in text and "neither IP nor ARP" in text


@pytest.mark.parametrize("arguments, code, words", [
    (["--read", "/nonexistent.pcap"], 1, "No such file"),
    (["--read", os.devnull], 1, "truncated"),
    (["--interface", "no-such-device0"], 1, "no-such-device0"),
    (["--read", "x", "--interface", "lo"], 2, "--interface"),
    (["--host", "no-such-host"], 1, "no-such-host"),
    (["--vip", "10.0.0", "-i", "lo"], 2, "no address"),
    (["--snaplen", "3"], 2, "between"),
])
def test_errors_are_one_line(arguments, code, words):
    result = monitor(*arguments, check=False)
    assert result.returncode == code
    assert len(result.stderr.splitlines()) == 1 and words in result.stderr
    assert result.stdout == ""


def test_a_bad_filter_is_named(capture):
    result = monitor("--read", capture, "tcp porrt 80", check=False)
    assert result.returncode == 1 and "tcp porrt 80" in result.stderr


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)


@pytest.fixture(name="pair")
def veth_pair():
    """Two namespaces joined by a veth pair that says nothing by itself."""
    names = [f"bt-monitor-{os.getpid()}-{side}" for side in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
            subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw",
                            "net.ipv6.conf.all.disable_ipv6=1",
                            "net.ipv6.conf.default.disable_ipv6=1"], check=True)
        ip("-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns",
           names[1])
        for number, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.9.0.{number + 1}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "mtu", "9000", "up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def interface_counters(name):
    text = subprocess.run(["ip", "-n", name, "-j", "-s", "link", "show", "dev", "eth0"],
                          capture_output=True, text=True, check=True).stdout
    stats = json.loads(text)[0]["stats64"]
    return {unit: stats["rx"][unit] + stats["tx"][unit] for unit in ("packets", "bytes")}


def start_monitor(*arguments):
    """A live monitor, once it says that it listens on everything."""
    hosts = max(1, sum(argument == "--host" for argument in arguments))
    process = subprocess.Popen([BATON, "monitor", "--json", *arguments], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(hosts):
        assert "listening" in process.stderr.readline()
    return process


def finish(process):
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


SENDER = """
import random, socket, sys
sys.path.insert(0, sys.argv[1])
import packets as make
from labs import Lab
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0))
rng = random.Random(5)
for _ in range(50):
    for packet in make.every_kind(rng):
        link.send(packet)
"""


def send_everything(name):
    subprocess.run(["ip", "netns", "exec", name, "/usr/bin/python3", "-c", SENDER,
                    os.path.dirname(os.path.abspath(__file__))], check=True)


@pytest.mark.parametrize("words", [[], ["greater 0"]], ids=["by-the-kernel", "by-libpcap"])
def test_live_counts_equal_the_kernels(pair, words):
    """What the monitor counted between two readings of the interface is their difference."""
    watcher = start_monitor("--host", pair[1], "--interval", "0.2", *words)
    before = interface_counters(pair[1])
    send_everything(pair[0])
    after = interface_counters(pair[1])
    result = finish(watcher)
    assert result["dropped"] == 0
    assert result["summary"]["total"] == {unit: after[unit] - before[unit] for unit in after}
    assert result["summary"]["total"]["packets"] >= 50 * 39
    assert result["received"] == result["summary"]["total"]["packets"]


def test_hosts_side_by_side(pair):
    watcher = start_monitor("--host", pair[0], "--host", pair[1], "--interval", "0.2")
    send_everything(pair[0])
    result = finish(watcher)
    sent, got = (result["hosts"][name] for name in pair)
    assert sent["baton"] == got["baton"] and sent["baton"]["packets"] == 50 * 9
    for unit in ("packets", "bytes"):
        assert result["summary"]["total"][unit] == sent["total"][unit] + got["total"][unit]


def test_stops_after_count_and_time(pair):
    watcher = start_monitor("--host", pair[1], "-c", "100")
    send_everything(pair[0])
    out, _ = watcher.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1])["summary"]["total"]["packets"] == 100
    timed = start_monitor("--host", pair[1], "--for", "0.1")
    timed.communicate(timeout=60)
    assert timed.returncode == 0


def test_devices_are_listed(pair):
    out = subprocess.run(["ip", "netns", "exec", pair[0], BATON, "monitor", "--list", "--json"],
                         capture_output=True, text=True, check=True).stdout
    devices = {device["name"]: device for device in json.loads(out)["devices"]}
    assert devices["eth0"]["addresses"] == ["10.9.0.1/24"]
    assert devices["lo"]["loopback"] is True


def test_another_hosts_lines_over_ssh(pair, tmp_path):
    """With an ssh that runs what it is told on this machine, in the other namespace."""
    fake = tmp_path / "ssh"
    fake.write_text("#!/bin/sh\n[ $1 = -- ] && shift 2\n"
                    f"shift 0; set -- $*; shift; exec ip netns exec {pair[1]} {BATON} \"$@\"\n")
    fake.chmod(0o755)
    process = subprocess.Popen([BATON, "monitor", "--json", "--host", "ssh:far", "-n", "0.1"],
                               env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = [process.stderr.readline() for _ in range(2)]
    assert any("listening on eth0" in line for line in said), said
    send_everything(pair[0])
    seen, deadline = 0, time.monotonic() + 60
    while seen < 50 * 9 and time.monotonic() < deadline:
        seen += json.loads(process.stdout.readline())["baton"]["packets"]
    assert finish(process)["summary"]["baton"]["packets"] == 50 * 9


def test_what_leaves_the_front_reaches_the_nodes():
    """Baton's own messages in a lab: at the front's port of the switch the sum of the nodes', none at
    the client; the front's XDP program hides them from a capture on the front itself."""
    lab = Lab("monitor", "-n", 2)
    lab.set_service("web", "--health", "none")
    hosts = ["client", "front", "node1", "node2"]
    try:
        watcher = start_monitor("--name", lab.name, "--interval", "0.2",
                                *(word for host in hosts for word in ("--host", host)))
        with lab.connect() as connection:
            nodes = {connection.get(f"/t/{number}").node for number in range(30)}
        assert nodes == {"node1", "node2"}
        # The end of a connection has messages too: wait until there are none for a second.
        quiet, deadline = 0, time.monotonic() + 60
        while quiet < 5 * len(hosts):
            assert time.monotonic() < deadline, "Baton's messages don't cease"
            row = json.loads(watcher.stdout.readline())
            quiet = 0 if row["baton"]["packets"] else quiet + 1
        counts = finish(watcher)["hosts"]
    finally:
        lab.down()
    assert counts["client"]["baton"]["packets"] == 0 and counts["client"]["tcp"]["packets"] > 30
    for unit in ("packets", "bytes"):
        assert counts["front"]["baton"][unit] == (counts["node1"]["baton"][unit]
                                                  + counts["node2"]["baton"][unit])
    assert counts["front"]["messages"]["handoff"] == (counts["node1"]["messages"]["handoff"]
                                                      + counts["node2"]["messages"]["handoff"])
    assert counts["front"]["messages"]["return"] > 0
