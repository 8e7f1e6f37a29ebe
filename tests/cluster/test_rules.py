"""Rules: what a request asks for says which pool of nodes serves it, first requests and later ones alike."""

import json
import os
import socket
import threading

import pytest

from labs import Lab, VIP, VIP6, until

OWN = """
    nodes: [node1, node2]
    pools:
      - {name: images, nodes: [node3], policy: maglev}
      - {name: api, nodes: [node4], policy: lard}
    rules:
      - {header: X-Api, value: "v2*", pool: api}
      - {path: /t/raw/}
      - {path: /t/, suffix: .jpg, pool: images}
      - {method: DELETE, pool: api}
      - {host: "*.images.example", pool: images}
"""

# Path, method, headers, and who may serve it.
TEXT, IMAGES, API = {"node1", "node2"}, {"node3"}, {"node4"}
ROWS = [
    ("/t/a.html", "GET", (), TEXT),
    ("/t/a.jpg", "GET", (), IMAGES),
    ("/t/a.jpg?v=1", "GET", (), IMAGES),
    ("/t/raw/a.jpg", "GET", (), TEXT),
    ("/t/a.jpg", "GET", ("X-Api: v2.1",), API),
    ("/t/a.jpg", "GET", ("X-Api: v1",), IMAGES),
    ("/t/b.html", "DELETE", (), API),
]


def write_rules(lab, text):
    """Puts `text` behind the settings of the service web, and lets the cluster go by it."""
    path = os.path.join(lab.run_folder, "baton.yaml")
    with open(path) as file:
        lines = file.read().split("\n")
    begin = next(i for i, line in enumerate(lines) if line.startswith("  - name: web"))
    end = next((i for i, line in enumerate(lines[begin + 1:], begin + 1) if line.startswith("  - ")), len(lines))
    kept = [line for line in lines[begin:end] if line and line.split(":")[0].strip() not in ("nodes", "pools", "rules")
            and not line.startswith("      ")]
    with open(path, "w") as file:
        file.write("\n".join(lines[:begin] + kept + text.strip("\n").split("\n") + lines[end:]))
    lab.baton("reload")


@pytest.fixture(name="lab", scope="module")
def lab_with_rules():
    lab = Lab("rules", "-n", 4)
    try:
        write_rules(lab, OWN)
        yield lab
    finally:
        lab.down()


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_first_requests_go_by_rules(lab, address):
    for path, method, headers, nodes in ROWS:
        with lab.connect(address) as connection:
            assert connection.get(path, method, headers).node in nodes, (path, method, headers)


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_connection_moves_between_pools(lab, address):
    before, elsewhere = lab.strays(), 0
    with lab.connect(address) as connection:
        for turn in range(6):
            for path, method, headers, nodes in ROWS:
                path = path.replace("/a", "/a%d" % turn)
                answer = connection.get(path, method, headers)
                assert answer.body.decode() == path.split("?")[0] + "\n"
                elsewhere += answer.node not in nodes
    assert elsewhere < 10
    assert lab.strays() - before >= elsewhere


def test_where_tells_the_rule(lab):
    def asked(*words):
        return json.loads(lab.baton("where", "--json", *words).stdout)

    answer = asked("http://%s/t/x.jpg" % VIP)
    assert answer["node"] == "node3" and answer["policy"] == "maglev"
    assert answer["rule"] == {"number": 3, "if": "path /t/, suffix .jpg", "pool": "images"}
    answer = asked("--header", "X-Api: v2", "http://%s/t/x.jpg" % VIP)
    assert (answer["node"], answer["rule"]["pool"]) == ("node4", "api")
    assert asked("--method", "DELETE", "http://%s/t/x" % VIP)["rule"]["number"] == 4
    assert asked("--service", "web", "http://a.images.example/t/x")["node"] == "node3"
    assert "rule" not in asked("http://%s/t/x" % VIP)
    text = lab.baton("where", "http://%s/t/x.jpg" % VIP).stdout
    assert "by rule 3 (path /t/, suffix .jpg): pool images" in text


def test_a_head_in_pieces_goes_by_all_of_it(lab):
    """Its header lines aren't there yet: the front waits for them."""
    before = lab.status()["front"]
    with lab.connect() as connection:
        connection.send(b"GET /t/a.jpg HTTP/1.1\r\nHost: h\r\n")
        until(lambda: lab.status()["front"]["slow"]["segments"] > before["slow"]["segments"], "its beginning is kept")
        connection.send(b"X-Api: v2\r\n\r\n")
        assert connection.response().node == "node4"
    after = lab.status()["front"]
    assert after["fallbacks"]["split"] == before["fallbacks"]["split"]
    assert after["slow"]["placed"] == before["slow"]["placed"] + 1


def test_rules_change_without_a_break(lab):
    """Connections ask on while the rules change to and fro; no request fails, each goes by one set or the other."""
    swapped = OWN.replace("nodes: [node3]", "nodes: [node5]").replace("nodes: [node4]", "nodes: [node3]")
    swapped = swapped.replace("[node5]", "[node4]")
    stop, problems, elsewhere, served = threading.Event(), [], [], []
    before = lab.strays()

    def ask():
        try:
            with lab.connect() as connection:
                turn = 0
                while not stop.is_set():
                    turn += 1
                    answer = connection.get("/t/s%d.jpg" % turn)
                    if answer.node not in ("node3", "node4"):
                        elsewhere.append("an image from " + answer.node)
                    if connection.get("/t/s%d" % turn).node not in TEXT:
                        elsewhere.append("a text from a node for images")
                served.append(turn)
        except (OSError, AssertionError, socket.timeout) as error:
            problems.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        write_rules(lab, swapped)
        with lab.connect() as connection:
            assert connection.get("/t/now.jpg").node == "node4"
        write_rules(lab, OWN)
        with lab.connect() as connection:
            assert connection.get("/t/now.jpg").node == "node3"
    stop.set()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(elsewhere) * 10 < sum(served)
    assert lab.strays() - before >= len(elsewhere), elsewhere
    assert len(served) == 3 and min(served) > 4


def test_a_wrong_file_changes_nothing(lab):
    path = os.path.join(lab.run_folder, "baton.yaml")
    with open(path) as file:
        good = file.read()
    with open(path, "w") as file:
        file.write(good.replace("pool: api}", "pool: nobody}", 1))
    try:
        done = lab.baton("reload", check=False)
        assert done.returncode == 1 and "pool: there is no pool 'nobody'" in done.stderr
        with lab.connect() as connection:
            assert connection.get("/t/a.jpg", headers=("X-Api: v2",)).node == "node4"
    finally:
        with open(path, "w") as file:
            file.write(good)
        lab.baton("reload")


def test_a_pool_without_a_node_refuses(lab):
    lab.baton("drain", "node3")
    try:
        assert lab.baton("where", "http://%s/t/x.jpg" % VIP, check=False).returncode == 1
        with lab.connect() as connection:
            assert connection.get("/t/x.jpg").status == 503
        with lab.connect() as connection:
            assert connection.get("/t/x").node in TEXT
    finally:
        lab.baton("ready", "node3")
