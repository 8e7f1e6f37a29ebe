"""Central policies: nodes ask the dispatcher, which is the front, and go by its answers."""

import random

import pytest

from labs import Lab, until

NODES = 4


@pytest.fixture(name="lab", scope="module", params=["lard", "lard-r", "ds"])
def lab_of_policy(request):
    lab = Lab("asks", "-n", NODES, "--policy", request.param)
    yield lab
    lab.down()


def sums(lab):
    """The nodes' counters, all in all; nodes report every half second."""
    total = {}
    for number in range(1, NODES + 1):
        for name, count in lab.node_status("node%d" % number)["report"]["counters"].items():
            total[name] = total.get(name, 0) + count
    return total


def test_a_target_keeps_its_node_and_no_socket_is_made_to_stay(lab):
    before, front, version = sums(lab), lab.status()["front"], lab.ask(command="status")["version"]
    homes, strayed, moves, last = {}, 0, 0, None
    rng = random.Random(5)
    with lab.connect() as connection:
        for _ in range(400):
            path = "/t/%d" % rng.randrange(40)
            answer = connection.get(path)
            assert answer.status == 200 and answer.body == path.encode() + b"\n"
            strayed += homes.setdefault(path, answer.node) != answer.node
            moves += last not in (None, answer.node)
            last = answer.node
    # New targets are spread even where all nodes are idle.
    assert set(homes.values()) == {"node%d" % number for number in range(1, NODES + 1)}
    after, now = sums(lab), lab.status()["front"]
    change = {name: after[name] - before[name] for name in after}
    # One client alone overloads nobody, so no target is given to another node. (A machine that stands
    # still for as long as a client waits makes it repeat its request: that one is served where it is.)
    # A health check that such a machine lets fail takes a node out, which changes the version.
    assert strayed <= change["unanswered"] or lab.ask(command="status")["version"] != version
    assert 0 < change["asks"] <= 399
    assert change["answered_stay"] + change["answered_move"] + change["unanswered"] == change["asks"]
    assert now["asks"] - front["asks"] <= change["asks"]
    assert 0 < change["answered_stay"] <= now["asks_stay"] - front["asks_stay"]
    assert change["moved"] == change["taken_later"] == moves > 0
    assert change["moved"] <= change["answered_move"]
    assert change["taken_first"] == 1


def test_requests_run_once(lab):
    before = lab.served()
    with lab.connect() as connection:
        for i in range(100):
            connection.get("/t/once%d" % i)
    until(lambda: lab.served() >= before + 100, "all requests in the servers' logs")
    assert lab.served() == before + 100


def test_nothing_is_in_service_afterwards(lab):
    with lab.connect() as connection:
        for i in range(50):
            connection.get("/t/%d" % i)
    # A client that goes without waiting for its answer.
    for i in range(10):
        connection = lab.connect()
        connection.request("/t/gone%d" % i)
        connection.close()
    until(lambda: all(node["load"]["in_service"] == 0 and node["load"]["on_way"] == 0 for node in lab.status()["nodes"]),
          "the dispatcher sees all nodes idle")
