"""`baton flows --kill`: both sides hear of it, nobody else does."""

import json
import os
import re
import signal
import socket

import pytest

from labs import VIP, VIP6, Lab, run, until


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("kill", "-n", 2)
    yield lab
    lab.down()


def name_of(connection):
    address, port = connection.socket.getsockname()[:2]
    return "[%s]:%d" % (address, port) if ":" in address else "%s:%d" % (address, port)


def kill(lab, *words, check=True):
    done = lab.baton("flows", "--kill", "--json", *words, check=check)
    return json.loads(done.stdout) if done.stdout else {"flows": []}, done


def is_reset(connection):
    """Whether the peer has aborted the connection (waits for it)."""
    try:
        return connection.socket.recv(1) and False
    except ConnectionResetError:
        return True


def served(lab, connection):
    """Whether a server has a socket of the connection."""
    port = connection.socket.getsockname()[1]
    return any(re.search(r":%d\b" % port, line) for node in ("node1", "node2") for line in lab.server_sockets(node))


def counted(lab):
    return lab.status()["front"]["killed"]


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_one_connection_is_killed_and_no_other(lab, address):
    victim, other = lab.connect(address), lab.connect(address)
    for connection in (victim, other):
        assert connection.get("/t/1").status == 200
    before = counted(lab)
    assert served(lab, victim) and served(lab, other)
    answer, _ = kill(lab, "--client", name_of(victim))
    assert answer["killed"] == 1
    assert [(flow["client"], flow["result"]) for flow in answer["flows"]] == [(name_of(victim), "killed")]
    assert is_reset(victim)
    assert counted(lab) == before + 1
    assert other.get("/t/1").status == 200
    assert not served(lab, victim) and served(lab, other)
    # A second time there is nothing to kill.
    assert kill(lab, "--client", name_of(victim))[0] == {"killed": 0, "left": 0, "flows": []}
    other.close()


def test_its_port_serves_again_at_once(lab):
    victim = lab.connect()
    assert victim.get("/t/1").status == 200
    port = victim.socket.getsockname()
    kill(lab, "--client", name_of(victim))
    assert is_reset(victim)
    victim.socket.close()
    again = lab.connect(source=port)
    assert again.get("/t/1").status == 200
    again.close()


def test_in_the_middle_of_an_answer(lab):
    """The client has stopped reading: what is under way can't be delivered, and the RST still counts."""
    victim = lab.connect()
    victim.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    victim.request("/1MB")
    assert victim.response_head()[0] == 200
    answer, _ = kill(lab, "--client", name_of(victim))
    assert answer["killed"] == 1
    with pytest.raises(ConnectionResetError):
        while victim.socket.recv(1 << 16):
            pass
    assert not served(lab, victim)


def test_a_node_or_all(lab):
    connections = [lab.connect() for _ in range(12)]
    homes = [connection.get("/t/%d" % i).node for i, connection in enumerate(connections)]
    assert len(set(homes)) == 2
    mine = {name_of(connection): home for connection, home in zip(connections, homes)}
    answer, _ = kill(lab, "--node", "node1")
    assert {flow["node"] for flow in answer["flows"]} == {"node1"}
    killed = {flow["client"] for flow in answer["flows"] if flow["result"] == "killed"}
    assert killed >= {client for client, home in mine.items() if home == "node1"}
    assert answer["killed"] == len(killed) and not answer["left"]
    for i, (connection, home) in enumerate(zip(connections, homes)):
        if home == "node1":
            assert is_reset(connection)
        else:
            assert connection.get("/t/%d" % i).node == "node2"
    text = lab.baton("flows", "--kill", "--all").stdout
    assert [line.split()[0] for line in text.splitlines() if line.endswith("killed")][:-1]
    assert all(is_reset(connection) for connection, home in zip(connections, homes) if home == "node2")
    left = json.loads(lab.baton("flows", "--json").stdout)["flows"]
    assert not [flow for flow in left if flow["client"] in mine and flow["state"] != "lost"]


def test_listeners_live_on(lab):
    """A connection that is over on its node is still remembered here: nothing of it is to be killed there, least of
    all what the kernel finds instead of its socket."""
    def listeners():
        return [lab.exec(node, "ss", "-Htln", "sport", "=", ":80").stdout.count("LISTEN") for node in ("node1", "node2")]

    before, over = listeners(), lab.connect()
    assert over.get("/t/1").status == 200
    over.request("/t/1", headers=["Connection: close"])
    assert over.response().status == 200 and over.ended()
    over.socket.shutdown(socket.SHUT_WR)
    until(lambda: not served(lab, over), "its socket to go")
    over.close()
    answer, _ = kill(lab, "--all")
    assert not answer["left"]
    assert listeners() == before and min(before)
    with lab.connect() as again:
        assert again.get("/t/1").status == 200


def test_by_service_and_silence(lab):
    connection = lab.connect()
    assert connection.get("/t/1").status == 200

    def listed(*words):
        flows = json.loads(lab.baton("flows", "--json", *words).stdout)["flows"]
        return name_of(connection) in {flow["client"] for flow in flows}

    assert listed("--service", "web") and not listed("--service", "secure") and not listed("--idle", "1h")
    until(lambda: listed("--idle", "0.5"), "half a second of silence")
    assert kill(lab, "--service", "secure")[0]["killed"] == 0
    assert kill(lab, "--idle", "1h")[0]["killed"] == 0
    assert connection.get("/t/1").status == 200
    answer, _ = kill(lab, "--service", "web", "--client", name_of(connection))
    assert answer["killed"] == 1 and is_reset(connection)


def test_what_is_refused(lab):
    connection = lab.connect()
    assert connection.get("/t/1").status == 200
    for words, code in ((["--kill"], 2), (["--all"], 2), (["--kill", "--all", "--ended"], 2),
                        (["--kill", "--node", "node9"], 1), (["--kill", "--service", "nothing"], 1)):
        done = lab.baton("flows", *words, check=False)
        assert done.returncode == code and len(done.stderr.splitlines()) == 1, done.stderr
    assert run("flows", "--kill", "--all", "--name", "none%d" % os.getpid(), check=False).returncode == 1
    assert connection.get("/t/1").status == 200
    connection.close()


def test_a_node_whose_daemon_is_away_keeps_its_connections(lab):
    connection = lab.connect()
    home = connection.get("/t/1").node
    os.kill(lab.pids()[home], signal.SIGKILL)
    until(lambda: not lab.node(home)["connected"], "the front to notice")
    answer, done = kill(lab, "--client", name_of(connection), check=False)
    assert done.returncode == 1 and "not killed" in done.stderr
    assert [flow["result"] for flow in answer["flows"]] == ["the daemon of its node is not connected"]
    assert connection.get("/t/1").node == home
    connection.close()
