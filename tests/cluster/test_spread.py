"""`place: spread`: the front reads nothing; the node that gets a first request unread places it and hands it on."""

import pytest

from labs import Lab, VIP, VIP6, until, where

NODES = 4


@pytest.fixture(name="lab", scope="module", params=["maglev", "lard"])
def lab_that_spreads(request):
    lab = Lab("spread", "-n", NODES, "--place", "spread", "--policy", request.param)
    lab.policy = request.param
    yield lab
    lab.down()


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_first_requests_end_where_they_belong(lab, address):
    before = lab.status()["front"]
    nodes = set()
    for i in range(40):
        with lab.connect(address) as connection:
            answer = connection.get("/t/spread%d" % i)
            assert answer.body.decode() == "/t/spread%d\n" % i
            nodes.add(answer.node)
            if lab.policy == "maglev":
                assert answer.node == where(lab, "/t/spread%d" % i)
    assert len(nodes) == NODES
    after = lab.status()["front"]
    assert after["handoffs_first"] == before["handoffs_first"] + 40
    # Chosen for the client's one address, most of them landed elsewhere.
    assert after["handoffs_later"] - before["handoffs_later"] >= 15
    assert not any(after["fallbacks"].values()), "the front has read nothing"
    until(lambda: sum(node["counters"]["passed_on"] for node in lab.status()["nodes"]) == after["handoffs_later"],
          "each of them was handed on unread")


def test_targets_stay_where_they_are(lab):
    for i in range(10):
        found = set()
        for _ in range(3):
            with lab.connect() as connection:
                found.add(connection.get("/t/again%d" % i).node)
        assert len(found) == 1


def test_keep_alive_and_bodies(lab):
    body = bytes(range(256)) * 600
    with lab.connect() as connection:
        answer = connection.get("/t/body", "POST", body=body)
        assert answer.status == 200
        for i in range(20):
            assert connection.get("/t/later%d" % i).body.decode() == "/t/later%d\n" % i
    with lab.connect() as connection:  # a head in two pieces: served where it landed
        connection.send(b"GET /t/split HTTP/1.1\r\nHo")
        connection.send(b"st: h\r\n\r\n")
        assert connection.response().body == b"/t/split\n"


def test_every_request_ran_once(lab):
    before = lab.served()
    for i in range(30):
        with lab.connect() as connection:
            assert connection.get("/t/once%d" % i).status == 200
    assert lab.served() == before + 30
