"""The lab itself: several at once, refused nonsense, taken away even when half of it is dead."""

import json
import os
import signal

import pytest

from labs import Lab, run


def traces_of(name):
    found = [entry for entry in os.listdir("/run/netns") if entry.startswith("baton-%s-" % name)]
    return found + [path for path in ("/run/baton/" + name, "/sys/fs/bpf/baton/" + name) if os.path.exists(path)]


def test_two_at_once_and_none_left():
    labs = []
    try:
        labs = [Lab("one", "-n", 1), Lab("two", "-n", 1, "--bare")]
        assert labs[0].curl("-s", "http://10.77.0.100/t/x") == "/t/x\n"
        for lab in labs:
            assert lab.curl("-s", "http://10.77.0.11/t/x") == "/t/x\n"
        # The same name twice is refused, and harms nothing.
        done = run("lab", "up", "--name", labs[0].name, check=False)
        assert done.returncode == 1 and "already" in done.stderr
        assert labs[0].curl("-s", "http://10.77.0.100/t/x") == "/t/x\n"
        seen = json.loads(run("lab", "status", "--name", labs[0].name, "--json").stdout)
        assert {"front", "node1"} <= {one["host"] for one in seen["processes"]}
        assert labs[0].exec("node1", "sh", "-c", "exit 7").returncode == 7
    finally:
        for lab in labs:
            lab.down()
    for lab in labs:
        assert traces_of(lab.name) == []


def test_down_after_the_supervisor_was_killed():
    lab = Lab("halfdead", "-n", 2)
    with open("/run/baton/%s/keeper.pid" % lab.name) as file:
        os.kill(int(file.read()), signal.SIGKILL)
    lab.down()
    assert traces_of(lab.name) == []
    assert run("lab", "down", "--name", lab.name, check=False).returncode == 1


@pytest.mark.parametrize("words", [
    ["lab"], ["lab", "fly"], ["lab", "up", "-n", "0"], ["lab", "up", "--server", "iis"],
    ["lab", "up", "--name", "a-b"], ["lab", "up", "--root", "/nowhere"], ["lab", "up", "left", "over"],
    ["lab", "exec", "client"], ["lab", "down", "--name", "../etc"], ["lab", "up", "--delay", "soon"],
    ["lab", "up", "--host", "cloud"], ["lab", "up", "--host", "qemu", "--kernel", "/dev/null"],
    ["lab", "up", "--host", "qemu", "--server", "squid"], ["lab", "up", "--kernel", "/boot/vmlinuz"]])
def test_wrong_usage_is_one_line(words):
    done = run(*words, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_delay_line_holds_frames_up():
    lab = Lab("delay", "-n", 1, "--delay", "50ms")
    try:
        text = lab.curl("-s", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{time_connect}",
                        "http://10.77.0.100/1MB")
        status, size, connect = text.split()
        assert (status, size) == ("200", "1000000")
        assert float(connect) >= 0.1
    finally:
        lab.down()


def test_a_partitioned_lab_serves_everything(tmp_path):
    root = tmp_path / "root"
    for i in range(30):
        part = root / ("folder %d" % (i % 3))
        part.mkdir(parents=True, exist_ok=True)
        (part / ("f%d.txt" % i)).write_text("file %d\n" % i)
    (root / "folder 1" / "index.html").write_text("an index\n")
    lab = Lab("parts", "-n", 3, "--partition", "--root", root)
    try:
        parts = "/run/baton/%s/parts" % lab.name
        held = {node: {os.path.relpath(os.path.join(at, name), os.path.join(parts, node))
                       for at, _, names in os.walk(os.path.join(parts, node)) for name in names}
                for node in ("node1", "node2", "node3")}
        assert all(held.values())
        # Every file once; the index perhaps under both its names.
        assert 31 <= sum(map(len, held.values())) <= 32
        with lab.connect() as connection:
            for i in range(30):
                answer = connection.get("/folder%%20%d/f%d.txt" % (i % 3, i))
                assert (answer.status, answer.body) == (200, b"file %d\n" % i)
                assert "folder %d/f%d.txt" % (i % 3, i) in held[answer.node]
            assert connection.get("/folder%201/").body == b"an index\n"
        with lab.connect("10.77.0.11") as connection:
            assert connection.get("/folder%200/f0.txt").status == (200 if "folder 0/f0.txt" in held["node1"] else 404)
    finally:
        lab.down()
    done = run("lab", "up", "--name", "rr%d" % os.getpid(), "-n", 2, "--partition", "--policy", "rr", check=False)
    assert done.returncode == 1 and "goes by the target" in done.stderr
    assert traces_of("rr%d" % os.getpid()) == []


def test_demo_with_a_small_trace(tmp_path):
    trace = tmp_path / "small.tsv"
    trace.write_text("".join("%d\tGET\t/page%d\t200\t%d\n" % (1000 + i, i % 40, 1000 * (i % 40))
                             for i in range(400)))
    done = run("lab", "demo", "-n", 2, "--trace", trace, "--json", env=dict(os.environ, TMPDIR=str(tmp_path)))
    seen = json.loads(done.stdout)
    assert (seen["load"]["requests"], seen["load"]["errors"], seen["load"]["verified"]) == (400, 0, 400)
    assert seen["handoffs_first"] >= 1 and seen["handoffs_later"] >= 1
    assert [entry for entry in os.listdir(tmp_path) if entry != "small.tsv"] == []
