"""Every policy in the kernel, on nodes of stock nginx; and the simulator beside the cluster on one trace."""

import json
import os
import subprocess

import pytest

from labs import BATON, ROOT, VIP, Lab, run

NODES = 4
# What a target's node depends on alone.
STATIC = ["md5", "mit-ch", "carp", "mod-ch", "maglev", "hrw", "dh"]
# By the client's address, and there is one.
NOT_SPREAD = ["sh", "tls-affinity"]


def policies():
    text = subprocess.run([BATON, "simulate", "cache", "-p", "none"], capture_output=True, text=True).stderr
    names = text.split("there are ")[1].strip().split("|")
    assert len(names) > 20
    return names


@pytest.fixture(name="lab", scope="module")
def nginx_lab():
    lab = Lab("policies", "-n", NODES)
    lab.set_service("web", "--health", "none")
    yield lab
    lab.down()


def use(lab, policy):
    lab.set_service("web", "--policy", policy)


@pytest.fixture(name="paths", scope="module")
def trace_paths():
    """The first 600 paths of the trace in the tree, without queries."""
    with open(os.path.join(ROOT, "share/traces/website-2015.tsv")) as trace:
        paths = [line.split("\t")[2].split("?")[0] for line in trace]
    return [path for path in paths if path.startswith("/")][:600]


@pytest.mark.parametrize("policy", policies())
def test_requests_are_served_and_spread(lab, policy):
    use(lab, policy)
    before = lab.status()["front"]["fallbacks"]
    said = json.loads(lab.exec("client", BATON, "load", "closed", "http://%s/t/%s-{1..200}" % (VIP, policy), "-n", 400, "-c", 32,
                               "--per-connection", 20, "--json").stdout)
    assert (said["requests"], said["errors"]) == (400, 0)
    if policy not in NOT_SPREAD:
        assert len(said["by_node"]) == NODES
    assert lab.status()["front"]["fallbacks"] == before


@pytest.mark.parametrize("policy", STATIC)
def test_the_simulator_places_as_the_cluster_does(lab, policy, paths, tmp_path):
    """The trace through nginx, and through `baton simulate`: the same node for each request."""
    use(lab, policy)
    trace = tmp_path / "trace.tsv"
    trace.write_text("target\tbytes\n" + "".join("%s%s\t100\n" % (VIP, path) for path in paths))
    placements = tmp_path / "placements"
    run("simulate", "cache", "--trace", trace, "-p", policy, "-n", NODES, "-c", "50%", "--clients", 1,
        "--placements", placements)
    rows = [line.split(",") for line in placements.read_text().splitlines()]
    assert [int(row[2]) for row in rows] == list(range(1, len(paths) + 1))
    simulated = [row[3] for row in rows]
    served, strays = [], lab.strays()
    for begin in range(0, len(paths), 100):
        with lab.connect() as connection:
            served += [connection.get(path).node for path in paths[begin:begin + 100]]
    same = sum(a == b for a, b in zip(simulated, served, strict=True))
    print("%s: %d of %d requests went where the simulator sends them" % (policy, same, len(paths)))
    assert same + lab.strays() - strays >= len(paths), "%d of %d" % (same, len(paths))
    assert same >= 0.98 * len(paths)
    assert len(set(served)) == NODES


def test_a_part_of_the_path_places(lab):
    """What lies below /t/N has one node, for first requests and for later ones; other N have others."""
    lab.set_service("web", "--policy", "hrw", "--path-segments", 2)
    try:
        nodes, strays, elsewhere = [], lab.strays(), 0
        for name in range(16):
            with lab.connect() as connection:
                first = {connection.get("/t/%d%s" % (name, rest)).node for rest in ("", "/", "/a", "/b/c?d", "?e")}
            where = json.loads(run("where", "--name", lab.name, "--json", "http://%s/t/%d/f" % (VIP, name)).stdout)["node"]
            assert first == {where}
            nodes.append(where)
        with lab.connect() as connection:
            for name, node in enumerate(nodes):
                elsewhere += connection.get("/t/%d/g" % name).node != node
        assert len(set(nodes)) == NODES
        assert elsewhere <= lab.strays() - strays
        assert elsewhere <= 4
    finally:
        lab.set_service("web", "--path-segments", 100)
