"""The daemons: what they say, what commands change, what their death does not."""
import collections
import contextlib
import ctypes
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

BATON = os.environ.get("BATON", os.path.join(os.path.dirname(__file__), "../../build/baton"))
LAB = f"dmn{os.getpid()}"
VIP, VIP6 = "10.77.0.100", "fd77::100"
NODES = ["node1", "node2", "node3"]
ANSWERED = collections.Counter()  # requests by node
PATIENCE = 30  # seconds for what needs none on an idle machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def baton(*arguments, check=True, name=True):
    tail = ["--name", LAB] if name else []
    return subprocess.run([BATON, *map(str, arguments), *tail], capture_output=True, text=True, check=check)


def change(*arguments):
    """A command that changes the cluster, in force everywhere when this returns."""
    done = baton(*arguments, check=False)
    assert done.returncode == 0 or "not yet in force at" in done.stderr, done.stderr
    await_that(settled, "every node goes by the change")


def ask(command, **how):
    """As the commands do, without a process each time."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(PATIENCE)
        try:
            wire.connect(f"/run/baton/{LAB}/front.sock")
            wire.sendall(json.dumps({"command": command, **how}).encode() + b"\n")
            return json.loads(wire.makefile().readline())
        except (ConnectionError, FileNotFoundError, ValueError) as error:  # it is being started again
            raise NotThere from error


class NotThere(Exception):
    """The front's daemon did not answer."""


def status():
    return ask("status")


def nodes():
    return {node["name"]: node for node in status()["nodes"]}


def await_that(condition, what):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(NotThere):
            if condition():
                return
        time.sleep(0.05)
    pytest.fail(f"not within {PATIENCE} s: {what}")


def settled():
    """Every node's daemon is connected and goes by what the front goes by."""
    now = status()
    return all(node["connected"] and node["version"] == now["version"] for node in now["nodes"])


def client_socket(address=VIP):
    """A TCP connection made in the lab's client; the socket stays there, this thread doesn't."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/baton-{LAB}-client") as there:
        assert libc.setns(there.fileno(), 0) == 0
        try:
            made = socket.create_connection((address, 80), timeout=PATIENCE)
        finally:
            assert libc.setns(home.fileno(), 0) == 0
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


class Client:
    """One keep-alive connection."""

    def __init__(self, address=VIP):
        host = f"[{address}]" if ":" in address else address
        self.connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        self.connection.sock = client_socket(address)
        self.connection.auto_open = 0

    def get(self, path):
        """Which node answered."""
        self.connection.request("GET", path)
        response = self.connection.getresponse()
        response.read()
        ANSWERED[response.getheader("X-Node")] += 1
        return response.getheader("X-Node")


@pytest.fixture(scope="module", autouse=True)
def lab():
    baton("lab", "up", "-n", len(NODES))
    try:
        await_that(settled, "all nodes go by the front's version")
        yield
    finally:
        baton("lab", "down", check=False)


def test_status_has_the_promised_keys():
    now = status()
    assert {"flows", "packets", "bytes_in", "syn", "cookies_bad", "fallbacks"} <= set(now["front"])
    for node in now["nodes"]:
        assert {"name", "address", "state", "weight", "active", "requests", "handoffs_in", "handoffs_out",
                "bytes_out"} <= set(node)
        assert node["state"] == "up"
    assert json.loads(baton("status", "--json").stdout).keys() == now.keys()
    assert "node1" in baton("status").stdout


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_where_says_who_answers(address):
    client = Client(address)
    host = f"[{address}]" if ":" in address else address
    seen = set()
    for number in range(60):
        path = f"/where/{number}" + ("?query=dropped" if number % 3 == 0 else "")
        node = ask("where", url=f"http://{host}{path}")["node"]
        assert node == client.get(path)
        seen.add(node)
    assert seen == set(NODES)
    answer = json.loads(baton("where", "--json", f"http://{host}/").stdout)
    assert answer == ask("where", url=f"http://{host}/") and answer["reason"] == "policy"


def test_counters_follow_the_requests():
    """Health checks go to the node's own address and are none of the service's requests."""
    client = Client()
    for number in range(200):
        client.get(f"/counted/{number}")
    await_that(lambda: {name: node["requests"] for name, node in nodes().items()} == dict(ANSWERED),
               "the nodes' counters show what was asked since the lab began")


def test_flows_are_listed_and_swept():
    client = Client()
    node = client.get("/flows")
    port = client.connection.sock.getsockname()[1]
    listed = json.loads(baton("flows", "--json", "--client", f"10.77.0.1:{port}").stdout)["flows"]
    assert [(flow["node"], flow["state"], flow["vip"]) for flow in listed] == [(node, "open", f"{VIP}:80")]
    assert not json.loads(baton("flows", "--json", "--client", "10.77.0.99").stdout)["flows"]
    await_that(lambda: status()["front"]["flows"] >= 1, "the sweep has counted the open flow")
    client.connection.close()


def test_drain_moves_connections_and_ready_brings_them_back():
    client = Client()
    paths = [f"/drain/{number}" for number in range(60)]
    at_home = {path: client.get(path) for path in paths}
    change("drain", "node2")
    assert nodes()["node2"]["state"] == "drain"
    drained = {path: client.get(path) for path in paths}
    assert "node2" not in drained.values()
    # Rendezvous: what was elsewhere stays there.
    assert all(drained[path] == node for path, node in at_home.items() if node != "node2")
    change("drain", "node2", "--wait")
    change("ready", "node2")
    assert {path: client.get(path) for path in paths} == at_home


def test_weights_shift_load():
    client = Client()
    change("weight", "node3", 0)
    assert "node3" not in {client.get(f"/weight/{number}") for number in range(60)}
    change("weight", "node3", 1)
    assert "node3" in {client.get(f"/weight/{number}") for number in range(60)}


def test_services_change_while_running():
    client = Client()
    change("service", "set", "web", "--policy", "rr")
    assert len({client.get("/same") for _ in range(10)}) > 1
    change("service", "set", "web", "--policy", "hrw", "--node", "node1", "--node", "node2")
    assert {client.get(f"/two/{number}") for number in range(60)} == {"node1", "node2"}
    listed = json.loads(baton("service", "list", "--json").stdout)["services"][0]
    assert sorted(listed["nodes"]) == ["node1", "node2"] and listed["policy"] == "hrw"
    wrong = baton("service", "set", "web", "--policy", "best", check=False)
    assert wrong.returncode == 1 and "policy: 'best' is none of" in wrong.stderr
    clash = baton("service", "add", "other", "--address", VIP, "--port", 80, check=False)
    assert clash.returncode == 1 and "is also the service's" in clash.stderr
    change("service", "add", "other", "--address", VIP, "--port", 81, "--health", "none")
    assert {"web", "other"} <= {s["name"] for s in status()["services"]}
    change("service", "del", "other")
    change("reload")
    assert {client.get(f"/all/{number}") for number in range(60)} == set(NODES)


def test_nodes_go_and_come():
    client = Client()
    before = nodes()["node3"]["id"]
    change("node", "del", "node3")
    assert sorted(nodes()) == ["node1", "node2"]
    assert "node3" not in {Client().get(f"/gone/{number}") for number in range(20)}
    change("node", "add", "node3", "--address", "10.77.0.13")
    assert nodes()["node3"]["id"] != before
    assert "node3" in {Client().get(f"/back/{number}") for number in range(20)}
    client.connection.close()


def test_health_checks_see_a_server_that_hangs():
    change("service", "set", "web", "--interval", "200ms", "--timeout", "500ms")
    pids = server_pids("node1")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await_that(lambda: "web" in nodes()["node1"]["down"], "a node whose server hangs is down")
        assert "in time" in nodes()["node1"]["down"]["web"]
        assert "node1" not in {Client().get(f"/down/{number}") for number in range(20)}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    await_that(lambda: "web" not in nodes()["node1"]["down"], "it is up again when it answers")
    change("reload")


def server_pids(host):
    """The stock server's processes: those in the host's network namespace that are not Baton's."""
    space = os.stat(f"/run/netns/baton-{LAB}-{host}").st_ino
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if (os.stat(f"/proc/{pid}/ns/net").st_ino == space and
                    "nginx" in open(f"/proc/{pid}/comm").read()):
                found.append(int(pid))
    return found


def daemon_pid(host):
    space = os.stat(f"/run/netns/baton-{LAB}-{host}").st_ino
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            if os.stat(f"/proc/{pid}/ns/net").st_ino == space and words[1:2] and words[1] in ("front", "node"):
                return int(pid)
    return None


@pytest.mark.parametrize("host", ["front", "node1"])
def test_killed_daemons_break_nothing(host):
    """Keep-alive connections and new ones go on while a daemon is dead and when it is back."""
    stop, errors, done = threading.Event(), [], [0]

    def ask():
        generator = random.Random(host)
        try:
            keep = Client()
            while not stop.is_set():
                keep.get(f"/{generator.randrange(1000)}")
                fresh = Client()
                fresh.get(f"/{generator.randrange(1000)}")
                fresh.connection.close()
                done[0] += 1
        except Exception as error:  # whatever it is, it is what the test looks for
            errors.append(repr(error))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for number in (signal.SIGKILL, signal.SIGTERM):
            await_that(lambda: daemon_pid(host), "the daemon runs")
            before, pid = done[0], daemon_pid(host)
            os.kill(pid, number)
            await_that(lambda: daemon_pid(host) not in (None, pid), "the supervisor has started another")
            await_that(settled, "the new daemon has joined")
            await_that(lambda: done[0] > before + 20 or errors, "requests go on")
    finally:
        stop.set()
        asker.join()
    assert not errors


def test_changes_survive_a_restart():
    change("drain", "node1")
    change("weight", "node2", 7)
    pid = daemon_pid("front")
    os.kill(pid, signal.SIGKILL)
    await_that(lambda: daemon_pid("front") not in (None, pid) and settled(), "the front's daemon is back")
    assert nodes()["node1"]["state"] == "drain" and nodes()["node2"]["weight"] == 7
    change("ready", "node1")
    change("reload")
    assert nodes()["node1"]["state"] == "up" and nodes()["node2"]["weight"] == 1


def test_a_configuration_with_an_error_changes_nothing():
    path = f"/run/baton/{LAB}/baton.yaml"
    good = open(path).read()
    version = status()["version"]
    try:
        with open(path, "w") as file:
            file.write(good.replace("policy: hrw", "policy: hrv"))
        refused = baton("reload", check=False)
        assert refused.returncode == 1
        assert "baton.yaml:" in refused.stderr and "policy: 'hrv' is none of" in refused.stderr
        checked = baton("front", "-c", path, "--check", check=False, name=False)
        assert checked.returncode == 2 and "policy: 'hrv' is none of" in checked.stderr
    finally:
        with open(path, "w") as file:
            file.write(good)
    assert status()["version"] == version
    assert baton("front", "-c", path, "--check", name=False).returncode == 0
    assert baton("node", "-c", path, "--name", "node1", "--check", name=False).returncode == 0
    nobody = baton("node", "-c", path, "--name", "node9", "--check", check=False, name=False)
    assert nobody.returncode == 2 and "no node is called 'node9'" in nobody.stderr


def test_a_second_daemon_is_refused():
    second = subprocess.run(["nsenter", f"--net=/run/netns/baton-{LAB}-front", BATON, "front", "-c",
                             f"/run/baton/{LAB}/baton.yaml"], capture_output=True, text=True, check=False)
    assert second.returncode == 1 and "is running" in second.stderr
    assert Client().get("/") in NODES


def test_commands_tell_what_is_wrong():
    assert "no node is called" in baton("drain", "node9", check=False).stderr
    assert "no daemon answers" in subprocess.run([BATON, "status", "--name", f"{LAB}x"], capture_output=True,
                                                 text=True, check=False).stderr
    assert baton("weight", "node1", -1, check=False).returncode == 2
    assert baton("where", "http://10.0.0.1/", check=False).returncode == 1


@contextlib.contextmanager
def listening(host, *how, address="0.0.0.0", port=81):
    """A listener in a host of the lab."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/baton-{LAB}-{host}") as there:
        assert libc.setns(there.fileno(), 0) == 0
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, *how)
        finally:
            assert libc.setns(home.fileno(), 0) == 0
    with made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen()
        yield


def test_check_finds_servers_that_cannot_be_handed_to(tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(open(f"/run/baton/{LAB}/baton.yaml").read().replace("port: 80\n", "port: 81\n"))

    def check():
        done = subprocess.run(["nsenter", f"--net=/run/netns/baton-{LAB}-node1", BATON, "node", "-c", str(other),
                               "--name", "node1", "--check"], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    assert check() == (1, "baton: service web: nobody listens on port 81; start the server\n")
    with listening("node1", socket.IPPROTO_MPTCP):
        code, said = check()
        assert code == 1 and "Multipath TCP" in said and "GODEBUG=multipathtcp=0" in said
    with listening("node1", socket.IPPROTO_MPTCP):  # connections of layer 4 are made with the server itself
        http = other.read_text()
        other.write_text(http.replace("protocol: http", "protocol: tcp", 1).replace(f', "{VIP6}"', "", 1))
        assert check() == (0, "")
        other.write_text(http)
    with listening("node1", address="10.77.0.11"):
        code, said = check()
        assert code == 1 and f"listens at 10.77.0.11:81, not at {VIP}" in said
    other.write_text(other.read_text().replace(f'addresses: [{VIP}, "{VIP6}"]', f"addresses: [{VIP}]"))
    with listening("node1"):
        assert check() == (0, "")


def test_health_goes_by_what_the_node_says_of_its_server():
    """A server that answers the check, but can't be handed connections, is no server."""
    change("service", "add", "bound", "--address", VIP, "--port", 81, "--node", "node1", "--health", "tcp",
          "--interval", "200ms")
    try:
        with listening("node1", address="10.77.0.11"):
            await_that(lambda: "bound" in nodes()["node1"]["down"], "the service is down on the node")
            await_that(lambda: "listens at 10.77.0.11:81" in nodes()["node1"]["down"]["bound"], "it says why")
        with listening("node1"):
            await_that(lambda: "bound" not in nodes()["node1"]["down"], "the service is up")
    finally:
        change("service", "del", "bound")


def test_keys_change_without_a_pause():
    path = f"/run/baton/{LAB}/key"
    old = open(path).read()
    last = int(old.strip()[-1], 16)
    new = "5a" * 31 + "5" + f"{last ^ 1:x}\n"
    client = Client()

    def put(lines, said):
        with open(path, "w") as file:
            file.write(lines)
        for host in ["front", *NODES]:
            os.kill(daemon_pid(host), signal.SIGHUP)
        await_that(lambda: {status()["front"]["keys"], *(n["keys"] for n in nodes().values())} == {said},
                   "all daemons have read the keys")
        assert {client.get(f"/key/{number}") for number in range(30)} == set(NODES)

    slot = last & 1
    put(old + new, f"2/{slot}")
    put(new + old, f"2/{slot ^ 1}")
    put(new, f"1/{slot ^ 1}")
    put(new + old, f"2/{slot ^ 1}")
    put(old + new, f"2/{slot}")
    put(old, f"1/{slot}")


def test_detach_takes_everything_out():
    """The last test here: the cluster does not serve any more behind it."""

    def link():
        return subprocess.run(["nsenter", f"--net=/run/netns/baton-{LAB}-front", "ip", "link", "show", "eth0"],
                              capture_output=True, text=True, check=True).stdout

    file = f"/run/baton/{LAB}/baton.yaml"
    assert "xdp" in link()
    baton("front", "-c", file, "--detach", name=False)
    baton("node", "-c", file, "--name", "node1", "--detach", name=False)
    assert not os.path.exists(f"/sys/fs/bpf/baton/{LAB}/front")
    assert not os.path.exists(f"/sys/fs/bpf/baton/{LAB}/node-node1")
    assert os.path.exists(f"/sys/fs/bpf/baton/{LAB}/node-node2")
    await_that(lambda: "xdp" not in link(), "XDP is off the device")
    baton("front", "-c", file, "--detach", name=False)  # nothing there is no error
