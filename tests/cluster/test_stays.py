"""Why a request was served where its connection was: counted by reason, and every request is in one count."""

import pytest

from labs import Lab, targets_by_node, until

@pytest.fixture(name="lab", scope="module")
def lab_of_two():
    lab = Lab("stays", "-n", 2)
    yield lab
    lab.down()


class Counts:
    """What the nodes have counted, looked at once they have told of all requests made so far."""

    def __init__(self, lab):
        self.lab, self.made, self.stays = lab, 0, {}

    def new(self, requests):
        """The stays that `requests` more have added."""
        self.made += requests
        until(self.complete, "each request is in one count")
        before, self.stays = self.stays, self.now
        return {why: count - before.get(why, 0) for why, count in self.now.items() if count != before.get(why, 0)}

    def complete(self):
        nodes = self.lab.status()["nodes"]

        def of(key):
            return sum(node["counters"][key] for node in nodes)
        self.now = {}
        for node in nodes:
            for why, count in node["stays"].items():
                self.now[why] = self.now.get(why, 0) + count
        ended = sum(self.now.values()) + of("taken_first") + of("taken_later")
        # A request that moves is read twice.
        return ended == self.made and of("requests") == self.made + of("moved")


def test_each_reason_is_counted_by_its_name(lab):
    counts = Counts(lab)
    with lab.connect() as connection:
        paths = targets_by_node(connection, 16)
        here, there = paths["node1"], paths["node2"]
    assert len(here) > 1 and there
    assert set(counts.new(16)) <= {"here", "not_quiet"}

    with lab.connect() as connection:  # a handoff, then three that belong there
        for path in (here * 4)[:4]:
            assert connection.get(path).node == "node1"
    assert counts.new(4) == {"here": 3}

    with lab.connect() as connection:  # the second of two at once is not placed
        request = "GET %s HTTP/1.1\r\nHost: 10.77.0.100\r\n\r\n"
        connection.send((request % here[0] + request % there[0]).encode())
        assert [connection.response().node for _ in range(2)] == ["node1", "node1"]
    assert counts.new(2) == {"busy": 1}

    with lab.connect() as connection:  # a head in pieces
        assert connection.get(here[0]).node == "node1"
        passed = lab.status()["front"]["packets"]
        connection.send(b"GET %s" % there[0][:-1].encode())
        until(lambda: lab.status()["front"]["packets"] > passed, "the first piece has passed by itself")
        connection.send(b"%s HTTP/1.1\r\nHost: 10.77.0.100\r\n\r\n" % there[0][-1:].encode())
        assert connection.response().node == "node1"
    assert counts.new(2) == {"split": 1}

    with lab.connect() as connection:  # a body longer than its segment
        assert connection.get(here[0]).node == "node1"
        assert connection.get(there[0], "POST", body=b"x" * 100000).node == "node1"
    assert counts.new(2) == {"body": 1}


def test_the_page_for_prometheus_has_them(lab):
    text = lab.exec("front", "curl", "-s", "http://127.0.0.1:7780/metrics").stdout
    for reason in ("here", "busy", "not_quiet", "pinned", "alone", "dispatcher"):
        assert 'baton_node_stays_total{node="node1",reason="%s"}' % reason in text
