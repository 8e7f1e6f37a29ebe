"""Dispatchers on hosts of their own: front and nodes ask them, each target has one of them."""

import json
import random
import subprocess

import pytest

from labs import VIP, Lab, until

NODES, TARGETS = 3, 40
FALLBACKS = ("fallback_dispatcher", "fallback_unanswered", "fallback_unasked", "fallback_answer")


LARD, SPREAD, DS = (1, "lard", "inline"), (2, "lard-r", "spread"), (2, "ds", "inline")


def name_of(case):
    return "-".join(map(str, case))


@pytest.fixture(name="lab", scope="module", params=[LARD, SPREAD, DS], ids=name_of)
def lab_of_case(request):
    count, policy, place = request.param
    lab = Lab("dispatchers", "-n", NODES, "--dispatchers", count, "--policy", policy, "--place", place)
    lab.dispatchers, lab.policy, lab.place = count, policy, place
    yield lab
    lab.down()


def counted(lab):
    """What front and nodes count of questions without an answer, and the version of the cluster."""
    status = lab.status()
    unsure = sum(status["front"][name] for name in FALLBACKS)
    for number in range(1, NODES + 1):
        counters = lab.node_status("node%d" % number)["report"]["counters"]
        unsure += counters["unanswered"] + counters["fallback_dispatcher"]
    return unsure, status["version"]


def table(lab, host, name):
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", "/sys/fs/bpf/baton/%s/%s/%s" % (lab.name, host, name)],
                          capture_output=True, check=True)
    return [entry["formatted"] for entry in json.loads(dump.stdout)]


def targets(lab, host):
    """The targets that a host's program remembers."""
    return {entry["key"]["target"] for entry in table(lab, host, "place_targets")}


def test_every_asker_finds_the_same_node(lab):
    """First requests (the front asks, for what it reads itself and what nodes return) and later ones
    (nodes ask)."""
    unsure, version = counted(lab)
    asks = sum(dispatcher["asks"] for dispatcher in lab.status()["dispatchers"])
    homes, strayed = {}, 0
    rng = random.Random(7)
    for _ in range(30):
        with lab.connect() as connection:
            for _ in range(rng.randrange(1, 8)):
                path = "/t/%d" % rng.randrange(TARGETS)
                answer = connection.get(path)
                assert answer.status == 200 and answer.body == path.encode() + b"\n"
                strayed += homes.setdefault(path, answer.node) != answer.node
    assert len(set(homes.values())) == NODES
    # The reports come every half second.
    until(lambda: sum(each["asks"] for each in lab.status()["dispatchers"]) >= asks + 30, "the dispatchers were asked")
    after, now = counted(lab)
    # A machine that stands still makes clients repeat themselves, or a health check fail.
    assert not strayed or after > unsure or now != version


# Not with SPREAD: there the front gives first segments away unread.
@pytest.mark.parametrize("lab", [LARD, DS], indirect=True, ids=name_of)
def test_first_requests_that_no_segment_has_room_for(lab):
    """What the front's daemon puts together is asked about like the rest: it goes where the target is."""
    homes, strayed = {}, 0
    for number in range(10):
        with lab.connect() as connection:
            homes["/t/%d" % number] = connection.get("/t/%d" % number).node
    unsure, version = counted(lab)
    before = lab.status()["front"]
    for path, node in homes.items():
        with lab.connect() as connection:
            connection.send(b"GET %s HTTP/1.1\r\nCookie: %s\r\nHost: %s\r\n\r\n" %
                            (path.encode(), b"c" * 6000, VIP.encode()))
            answer = connection.response()
            assert answer.status == 200 and answer.body == path.encode() + b"\n"
            strayed += answer.node != node
            assert connection.get(path).status == 200
    front, (after, now) = lab.status()["front"], counted(lab)
    assert front["slow_placed"] == before["slow_placed"] + len(homes)
    assert front["questions"] >= before["questions"] + len(homes) or after > unsure
    assert not strayed or after > unsure or now != version


def test_each_target_has_one_dispatcher(lab):
    with lab.connect() as connection:
        for number in range(TARGETS):
            connection.get("/t/%d" % number)
    tables = [targets(lab, "dispatcher-dispatcher%d" % number) for number in range(1, lab.dispatchers + 1)]
    assert all(tables)
    unsure, _ = counted(lab)
    assert len(set().union(*tables)) >= TARGETS or unsure
    assert sum(map(len, tables)) == len(set().union(*tables))
    # The front keeps none of its own.
    assert not targets(lab, "front")


def test_where_names_the_dispatcher(lab):
    names = {json.loads(lab.baton("where", "http://10.77.0.100/t/%d" % number, "--json").stdout)["dispatcher"]
             for number in range(TARGETS)}
    assert names == {"dispatcher%d" % number for number in range(1, lab.dispatchers + 1)}
    said = lab.baton("status").stdout
    assert all(name in said for name in names)


def test_a_request_in_several_segments(lab):
    """What follows a first segment does not overtake the question about it."""
    body = bytes(range(256)) * 40
    for number in range(5):
        with lab.connect() as connection:
            assert connection.get("/t/%d" % number, "POST", body=body).status in (200, 405)
            assert connection.get("/t/9").body == b"/t/9\n"


def test_nothing_is_in_service_afterwards(lab):
    for number in range(20):
        with lab.connect() as connection:
            connection.get("/t/%d" % number)
    until(lambda: all(node["load"]["in_service"] == 0 for node in lab.status()["nodes"]), "all nodes idle")
    assert all(dispatcher["nodes"] == NODES for dispatcher in lab.status()["dispatchers"])


def test_metrics(lab):
    text = lab.exec("front", "curl", "-s", "http://127.0.0.1:7780/metrics").stdout
    for number in range(1, lab.dispatchers + 1):
        assert 'baton_dispatcher_targets{dispatcher="dispatcher%d"}' % number in text


def test_forwarded_flows_are_refused(lab):
    """No dispatcher could see such a flow's end; without central policies they are as welcome as ever."""
    mail = ["mail", "--address", VIP, "--port", "25", "--protocol", "tcp", "--policy"]
    refused = lab.baton("service", "add", *mail, lab.policy, check=False)
    assert refused.returncode == 1
    assert "policy: '%s' is for http and tls where there are 'dispatchers'" % lab.policy in refused.stderr
    lab.baton("service", "add", *mail, "wlc")
    lab.baton("service", "del", "mail")


@pytest.mark.parametrize("lab", [DS], indirect=True, ids=name_of)
def test_decay_reaches_every_host(lab):
    hosts = ["front", *("dispatcher-dispatcher%d" % number for number in range(1, lab.dispatchers + 1)),
             *("node-node%d" % number for number in range(1, NODES + 1))]
    lab.baton("service", "set", "web", "--decay", "250ms")
    for host in hosts:
        until(lambda: any(pool["value"]["decay_ns"] == 250000000 for pool in table(lab, host, "place_pools")),
              "%s counts by it" % host)
    refused = lab.baton("service", "set", "web", "--decay", "2m", check=False)
    assert refused.returncode == 1 and "decay: must lie between 0.01s and 60s" in refused.stderr
