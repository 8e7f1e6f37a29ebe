"""A page that takes time, behind stock nginx on each node: placed, served and balanced as files are."""

import json
import math
import hashlib

import pytest

from labs import BATON, Lab, VIP, VIP6, run, until, where


@pytest.fixture(name="lab", scope="module")
def lab_with_pages():
    lab = Lab("dynamic", "-n", 3, "--dynamic")
    yield lab
    lab.down()


def law(path):
    share = (int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") + 1) / 0x100000001
    return min(50, -5 * math.log(share))


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_pages_take_the_time_of_their_law(lab, address):
    with lab.connect(address) as connection:
        for i in range(20):
            path = "/dynamic/%d" % i
            answer = connection.get(path)
            assert answer.body.decode() == path + "\n"
            assert abs(float(answer.headers["x-time-ms"]) - law(path)) < 0.01
            assert connection.get("/t/%d" % i).status == 200  # static ones between
    for i in range(6):
        with lab.connect(address) as connection:
            assert connection.get("/dynamic/%d" % i).node == where(lab, "/dynamic/%d" % i)


@pytest.mark.parametrize("policy", ["p2c", "lc", "bounded-ch", "lard", "ds"])
def test_a_slow_page_is_load(lab, policy):
    """Requests in service are the load: under one, all nodes get their part, and each request its answer."""
    lab.baton("service", "set", "web", "--policy", policy)
    said = json.loads(lab.exec("client", BATON, "load", "closed", "http://%s/dynamic/{1..400}" % VIP, "-n", 600, "-c", 24,
                               "--per-connection", 10, "--json").stdout)
    assert (said["requests"], said["errors"]) == (600, 0)
    assert sum(said["by_node"].values()) == 600
    if policy != "bounded-ch":
        assert len(said["by_node"]) == 3
    until(lambda: all(node["active"] == 0 for node in lab.status()["nodes"]), "nothing is in service afterwards")


def test_static_and_dynamic_mixed():
    said = json.loads(run("experiment", "policies", "-p", "rr,p2c", "-n", 2, "-r", 1, "--requests", 300, "-o", 50,
                          "--dynamic", 30, "-c", 8, "--json", timeout=300).stdout)
    assert said["dynamic_share"] == 0.3
    for row in said["policies"]:
        assert row["errors"] == 0 and row["requests_per_second"][0] > 0 and row["p99_us"][0] >= row["p50_us"][0]
