"""The access log beside the servers' own: every request, its status and its bytes.

BATON_LOG_REQUESTS=50000 asks for more requests than the suite does; -s shows how the times compare."""

import json
import os
import signal

import socket
import struct

import pytest

from labs import VIP, Lab, until

REQUESTS = int(os.environ.get("BATON_LOG_REQUESTS", 5000))

# Share of the requests, curl's options, path.
KINDS = [(0.5, [], "/t/{n}"), (0.1, ["-I"], "/t/{n}"), (0.1, ["-r", "5-60"], "/index.html"),
         (0.1, ["-H", "Connection: close"], "/t/{n}"), (0.05, ["-0"], "/t/{n}"), (0.05, [], "/none/{n}"),
         (0.05, ["-d", "x" * 3000], "/index.html"), (0.05, ["-H", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"],
                                                     "/index.html")]


@pytest.fixture(scope="module")
def lab():
    lab = Lab("accesses", "-n", 2, "--log", "json")
    lab.set_service("web", "--health", "none")
    yield lab
    lab.down()


def records(lab):
    found = []
    for node in ("node1", "node2"):
        path = "%s/log/%s.requests" % (lab.run_folder, node)
        with open(path) as file:
            found += [json.loads(line) for line in file]
    return found


def server_lines(lab):
    """method and target -> list of (node, status, bytes) of the servers' access logs, and of the seconds it took."""
    times = {}
    found = {}
    for node in ("node1", "node2"):
        with open("%s/log/%s.access" % (lab.run_folder, node)) as file:
            for line in file:
                parts = line.split('"')
                if line.startswith("10.77.0.1 ") and len(parts) > 2:
                    method, target = parts[1].split()[:2]
                    status, count = parts[2].split()[:2]
                    found.setdefault((method, target), []).append((node, int(status), int(count)))
                    times[method, target] = float(line.split()[-1])
    return found, times


def ask_all(lab):
    """Asks for targets that are all different, so that the logs can be compared line by line."""
    number = 0
    for share, options, path in KINDS:
        urls = ["http://%s%s?%d" % (VIP, path.format(n=number + i), number + i) for i in range(int(REQUESTS * share))]
        number += len(urls)
        config = "%s/urls" % lab.run_folder
        with open(config, "w") as file:
            file.writelines('url = "%s"\noutput = "/dev/null"\n' % url for url in urls)
        done = lab.exec("client", "curl", "-sS", "--max-time", 120, "-Z", "--parallel-max", 8, *options, "-K", config)
        assert done.returncode == 0, done.stderr
    return number


def test_agrees_with_the_servers(lab):
    total = ask_all(lab)
    until(lambda: len(records(lab)) >= total, "all requests are in the log")
    until(lambda: sum(map(len, server_lines(lab)[0].values())) >= total, "all requests are in the servers' logs")
    ours, (theirs, times) = records(lab), server_lines(lab)
    assert len(ours) == total == sum(map(len, theirs.values()))
    for record in ours:
        key = record["method"], record["path"]
        assert theirs[key] == [(record["node"], record["status"], record["bytes"])], record
        assert record["client"] == "10.77.0.1" and record["service"] == "web" and record["host"] == VIP
        assert 0 < record["first_byte_s"] <= record["time_s"]
        assert record["complete"] is True
    # The nodes report twice a second.
    until(lambda: sum(node["log"]["lines"] for node in lab.status()["nodes"]) == total, "the reports say so")
    handoffs = {kind: sum(record["handoff"] == kind for record in ours) for kind in ("first", "later", "none")}
    nodes = lab.status()["nodes"]
    assert handoffs["first"] == sum(node["first_in"] for node in nodes)
    assert handoffs["later"] == sum(node["handoffs_in"] - node["first_in"] for node in nodes)
    for node in nodes:
        assert node["counters"]["log_lost"] == 0
        assert node["log"]["lost"] == node["log"]["unwritten"] == node["log"]["open"] == 0
        assert node["log"]["lines"] == sum(record["node"] == node["name"] for record in ours)
    # nginx says milliseconds, and begins only when it has read the head and ends with its last write: its times are
    # the shorter ones but for its clock, which it reads once a turn of its loop.
    longer = sorted(record["time_s"] - times[record["method"], record["path"]] for record in ours)
    assert longer[len(longer) // 2] >= -0.001
    print("\nlonger than nginx says: %s ms (least, 1 %%, half, 99 %%, most)" % " ".join(
        "%.3f" % (1000 * longer[min(len(longer) * share // 100, len(longer) - 1)]) for share in (0, 1, 50, 99, 100)))
    print("within 1 ms of it %.2f %%, within 2 ms %.2f %%" % tuple(
        100 * sum(abs(one) <= limit for one in longer) / len(longer) for limit in (0.001, 0.002)))
    first = sorted(record["first_byte_s"] for record in ours)
    print("time to first byte: median %.0f us, p99 %.0f us" % (first[len(first) // 2] * 1e6,
                                                             first[len(first) * 99 // 100] * 1e6))


def test_a_client_that_leaves(lab):
    """What the connection's end cut off is in the log too, as far as it came."""
    with lab.connect() as connection:
        node = connection.get("/t/waits").node
        server = lab.pids()[node + "-server"]
        with open("/proc/%d/task/%d/children" % (server, server)) as file:
            workers = [int(word) for word in file.read().split()]
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            connection.request("/t/waits?gone")
            until(lambda: lab.node(node)["log"]["open"] == 1, "the node knows of the request")
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            last = until(lambda: [record for record in records(lab) if record["path"] == "/t/waits?gone"],
                         "the request is in the log")
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
    assert len(last) == 1 and last[0]["complete"] is False and last[0]["status"] == last[0]["bytes"] == 0


def test_moved_away_and_opened_again(lab):
    """SIGHUP opens the file again: what logrotate does."""
    node = lab.connect().get("/t/rotate").node
    path = "%s/log/%s.requests" % (lab.run_folder, node)
    until(lambda: "/t/rotate" in open(path).read(), "the request is in the log")
    os.rename(path, path + ".old")
    os.kill(lab.pids()[node], signal.SIGHUP)
    until(lambda: os.path.exists(path), "the log is opened again")
    assert lab.connect().get("/t/rotate").node == node
    until(lambda: open(path).read().count("/t/rotate") == 1, "the request is in the new file")


def test_the_daemon_is_away(lab):
    """What is asked for while the daemon is away stands in the log when it is back."""
    with lab.connect() as connection:
        node = connection.get("/t/away").node
        path = "%s/log/%s.requests" % (lab.run_folder, node)
        old = lab.pids()[node]
        os.kill(old, signal.SIGKILL)
        for _ in range(50):
            assert connection.get("/t/away").node == node
        until(lambda: open(path).read().count('"/t/away"') == 51, "all are in the log")
