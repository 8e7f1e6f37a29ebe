"""The page and its API: by hand, and in a browser as a person uses them."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest
import yaml

import labs
from browser import Browser, ask, free_port

BATON = os.environ.get("BATON", "build/baton")
NAME = "web%d" % os.getpid()


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def port():
    run(BATON, "lab", "up", "--name", NAME, "-n", "2")
    # A late check, on a loaded machine, is to take no node out.
    run(BATON, "service", "set", "web", "--health", "none", "--name", NAME)
    port = free_port()
    server = subprocess.Popen([BATON, "web", "--name", NAME, "--listen", "127.0.0.1:%d" % port],
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline().startswith("http://127.0.0.1:%d/" % port)
    wait(lambda: ask(port, "/api/status")[0] == 200)
    yield port
    server.terminate()
    assert server.wait() == 0
    run(BATON, "lab", "down", "--name", NAME)


def token():
    return open("/run/baton/%s/token" % NAME).read().strip()


def wait(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def state(node):
    nodes = json.loads(run(BATON, "status", "--name", NAME, "--json"))["nodes"]
    return next(entry["state"] for entry in nodes if entry["name"] == node)


def test_status_is_what_the_command_prints(port):
    status = json.loads(ask(port, "/api/status")[1])
    assert [node["name"] for node in status["nodes"]] == ["node1", "node2"]
    assert set(status) == set(json.loads(run(BATON, "status", "--name", NAME, "--json")))


def test_metrics_are_prometheus_text(port):
    lines = ask(port, "/metrics")[1].decode().splitlines()
    assert "baton_up 1" in lines
    assert 'baton_node_up{node="node1",state="up"} 1' in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    for line in lines:
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert re.sub("_(bucket|sum|count)$", "", name.split("{")[0]) in named or name.split("{")[0] in named
            float(value)


@pytest.mark.parametrize("path, method, headers, wanted", [
    ("/api/nodes/node2/drain", "POST", {}, 401),
    ("/api/nodes/node2/drain", "POST", {"Authorization": "Bearer 0123"}, 401),
    ("/api/nodes/node2/drain", "POST", {"Authorization": "Bearer TOKEN", "Origin": "http://evil.example"}, 403),
    ("/api/nodes/node9/drain", "POST", {"Authorization": "Bearer TOKEN"}, 400),
    ("/api/nodes/node2/explode", "POST", {"Authorization": "Bearer TOKEN"}, 404),
    ("/api/nodes/../drain", "POST", {"Authorization": "Bearer TOKEN"}, 400),
    ("/api/status", "GET", {"Host": "evil.example"}, 421),
    ("/api/status", "DELETE", {}, 405),
    ("/api/history?seconds=-5", "GET", {}, 400),
    ("/api/history?seconds=99999", "GET", {}, 400),
    ("/../../etc/passwd", "GET", {}, 404),
    ("/api/flows/kill?node=node2", "POST", {}, 401),
    ("/api/flows/kill?node=node2", "POST", {"Authorization": "Bearer 0123"}, 401),
    ("/api/flows/kill?node=node2", "POST", {"Authorization": "Bearer TOKEN", "Origin": "http://evil.example"}, 403),
    ("/api/flows/kill?node=node2", "POST", {"Authorization": "Bearer TOKEN", "Host": "evil.example"}, 421),
    ("/api/flows/kill", "POST", {"Authorization": "Bearer TOKEN"}, 400),
    ("/api/flows/kill?all=true", "POST", {"Authorization": "Bearer TOKEN"}, 400),
    ("/api/flows/kill?node=node9", "POST", {"Authorization": "Bearer TOKEN"}, 400),
    ("/api/flows/kill?node=node2", "GET", {"Authorization": "Bearer TOKEN"}, 404),
    ("/api/seen", "GET", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("/api/seen", "GET", {"Host": "evil.example"}, 421),
])
def test_refuses(port, path, method, headers, wanted):
    headers = {name: value.replace("TOKEN", token()) for name, value in headers.items()}
    status, body = ask(port, path, method, **headers)
    assert status == wanted and json.loads(body)["error"]
    assert state("node2") == "up"


def test_token_is_its_owners_alone(port):
    assert os.stat("/run/baton/%s/token" % NAME).st_mode & 0o777 == 0o600


@pytest.fixture(scope="module")
def browser(port):
    if not shutil.which("chromedriver"):
        pytest.skip("chromedriver is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        browser.call("/url", {"url": "http://127.0.0.1:%d/" % port})
        yield browser
        browser.end()


def test_page_shows_the_cluster(browser):
    wait(lambda: browser.script("return document.querySelectorAll('#nodes tbody tr').length") == 2)
    assert browser.script("return document.getElementById('cluster').textContent") == NAME
    assert browser.script("return [...document.querySelectorAll('#drawing text')].map(t => t.textContent)").count("node1")
    wait(lambda: browser.script("return Object.keys(charts).length") == 5)
    # Everything came from this server.
    assert browser.script("return performance.getEntriesByType('resource').every(r => r.name.startsWith(location.origin))")


def test_drain_needs_the_token_and_empties_the_node(browser):
    browser.click("#b-node1")
    wait(lambda: "token" in browser.script("return document.getElementById('said').textContent"))
    assert state("node1") == "up"
    browser.type("#token", token())
    browser.click("#b-node1")
    wait(lambda: state("node1") == "drain")
    status = json.loads(run(BATON, "status", "--name", NAME, "--json"))
    wait(lambda: labs.node_status(NAME, "node2")["report"]["version"] >= status["version"])
    wait(lambda: browser.script("return document.getElementById('b-node1').textContent") == "ready")
    asked = [word for i in range(20) for word in ("-o", "/dev/null", "http://10.77.0.100/t/%d" % i)]
    served = run(BATON, "lab", "exec", "--name", NAME, "client", "--", "curl", "-s", "-w", "%header{x-node} ",
                 *asked).split()
    assert served == ["node2"] * 20
    browser.click("#b-node1")
    wait(lambda: state("node1") == "up")


def cells(browser, table):
    return browser.script("return [...document.querySelectorAll('#%s tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
                          % table)


def curl(*urls):
    words = [word for url in urls for word in ("-o", "/dev/null", "http://10.77.0.100" + url)]
    run(BATON, "lab", "exec", "--name", NAME, "client", "--", "curl", "-s", *words)


def seen(port):
    return json.loads(ask(port, "/api/seen")[1])["nodes"]


def test_page_shows_single_requests(browser, port):
    """Hottest targets and latest requests, of which the nodes tell while somebody looks."""
    wait(lambda: len(seen(port)) == 2)
    curl(*["/t/7", "/t/8?x=1", "/t/7", "/t/7", "/t/7", "/t/7", "/t/8?x=2", "/t/7"] * 5, "/none")
    wait(lambda: "/none" in {one["path"] for node in seen(port).values() for one in node["latest"]})

    def hottest(target):
        return sum(hot["requests_per_second"] for node in seen(port).values() for hot in node["hottest"]
                   if hot["target"] == "10.77.0.100" + target)

    # Targets are paths here: both queries are one. Rates fade alike, so ratios stay.
    wait(lambda: hottest("/t/8") and hottest("/t/7") / hottest("/t/8") == pytest.approx(3, rel=0.1))
    told = seen(port)
    for node, what in told.items():
        assert {one["node"] for one in what["latest"]} <= {node}
    missing = next(one for node in told.values() for one in node["latest"] if one["path"] == "/none")
    assert (missing["method"], missing["status"], missing["client"]) == ("GET", 404, "10.77.0.1")
    wait(lambda: ["10.77.0.100/t/7"] == [row[0] for row in cells(browser, "hot")][:1])
    wait(lambda: any("GET /none" in row and "404" in row for row in cells(browser, "latest")))
    # What the nodes' devices carry adds up, and the parts are the whole.
    for node in told.values():
        traffic = node["traffic"]
        for unit in ("packets", "bytes"):
            assert traffic["total"][unit] == traffic["ip"][unit] + traffic["arp"][unit] + traffic["other"][unit]
    wait(lambda: [row[0] for row in cells(browser, "mix")][:2] == ["TCP", "Baton"])


def test_front_counts_what_no_packet_socket_sees(browser, port):
    """Every message of Baton's passes the front once and one node once; requests pass the front as they come."""

    def at_front():
        traffic = json.loads(ask(port, "/api/seen")[1])["front"]["traffic"]
        for unit in ("packets", "bytes"):
            assert traffic["total"][unit] == traffic["ip"][unit] + traffic["arp"][unit] + traffic["other"][unit]
        return traffic

    def messages():
        """Of Baton's, at the front and at the nodes: as their daemons have them now."""
        nodes = [labs.node_status(NAME, node)["report"]["seen"]["traffic"]["baton"]["packets"]
                 for node in ("node1", "node2")]
        return at_front()["baton"]["packets"], sum(nodes)

    wait(lambda: len(seen(port)) == 2)
    front, nodes = messages()
    tcp = at_front()["tcp"]["packets"]
    curl(*["/t/%d" % i for i in range(20)])
    wait(lambda: (now := messages())[0] > front and now[0] - front == now[1] - nodes)
    # Each request came to the front and left it.
    assert at_front()["tcp"]["packets"] - tcp >= 40
    wait(lambda: browser.script("return charts['c-mix'].data.labels.join(' ')") == "front node1 node2")


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_page_fits(browser, width):
    """Nothing sticks out at three widths, in the light and in the dark; every control has a name; the console is still."""
    for dark in (False, True):
        browser.show(width, dark)
        wait(lambda: browser.script("return Object.keys(charts).length") == 5)
        wait(lambda: browser.script("return document.documentElement.scrollWidth <= innerWidth"))
        assert browser.script("""const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number);
                                 return r + g + b < 384""") == dark
    nameless = browser.script("""return [...document.querySelectorAll('button, input, select, svg, canvas, [role]')].filter(
        e => !e.hidden && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby') && !e.labels?.length
             && !e.textContent.trim() && e.getAttribute('role') !== 'status').map(e => e.outerHTML)""")
    assert nameless == []
    # What was refused for want of a token is said there too.
    assert [line for line in browser.complaints() if "401" not in line] == []


def samples(port):
    """The metrics' samples: name -> list of (labels, value)."""
    found = {}
    for line in ask(port, "/metrics")[1].decode().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name, _, labels = name.rstrip("}").partition("{")
            found.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))
    return found


def test_histograms_hold_every_request(port):
    asked = [word for i in range(40) for word in ("-o", "/dev/null", "http://10.77.0.100/t/%d" % i)]

    def count(there, name):
        return sum(value for labels, value in there[name]
                   if labels["service"] == "web" and labels.get("le", "+Inf") == "+Inf")

    def all_reported(there):
        """The nodes report twice a second; no request is under way."""
        return count(there, "baton_response_seconds_count") == sum(
            value for labels, value in there["baton_node_events_total"] if labels["kind"] == "requests") - sum(
            value for _, value in there["baton_node_handoffs_out_total"])

    wait(lambda: all_reported(samples(port)))
    before = count(samples(port), "baton_response_seconds_count")
    run(BATON, "lab", "exec", "--name", NAME, "client", "--", "curl", "-s", *asked)
    wait(lambda: count(samples(port), "baton_response_seconds_count") >= before + 40 and all_reported(samples(port)))
    there = samples(port)
    for kind in ("first_byte", "response"):
        assert count(there, "baton_%s_seconds_bucket" % kind) == count(there, "baton_%s_seconds_count" % kind)
    assert 0 < count(there, "baton_first_byte_seconds_sum") <= count(there, "baton_response_seconds_sum")
    # Buckets are cumulative, and their bounds rise.
    for node in ("node1", "node2"):
        buckets = [(float(labels["le"]), value) for labels, value in there["baton_response_seconds_bucket"]
                   if labels["node"] == node and labels["service"] == "web"]
        assert buckets == sorted(buckets) and [value for _, value in buckets] == sorted(value for _, value in buckets)
    nodes = json.loads(run(BATON, "status", "--name", NAME, "--json"))["nodes"]
    for node in nodes:
        for times in node["latency_us"].values():
            assert 0 < times["p50"] <= times["p90"] <= times["p99"] <= times["p999"]
    assert sum(service["timed"] for node in nodes for service in node["services"]) == count(
        there, "baton_response_seconds_count")


def test_dashboard_and_alerts_name_metrics_that_exist(port):
    packaging = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging")
    with open(packaging + "/grafana/baton.json") as file:
        dashboard = json.load(file)
    with open(packaging + "/prometheus/baton.rules.yaml") as file:
        rules = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    texts += [variable["query"]["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    texts += [rule["expr"] for rule in rules]
    there = samples(port)
    for text in texts:
        for name, selector in re.findall(r"\b(baton_\w+)(?:\{([^}]*)\})?", text):
            assert name in there, name
            for label, kinds in re.findall(r'(\w+)=~?"([^"$]*)"', selector):
                have = {labels.get(label) for labels, _ in there[name]}
                if label != "state":  # no node may be down
                    assert set(kinds.split("|")) <= have, (name, label, kinds)
        assert text.count("(") == text.count(")")
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(rule["alert"] and rule["annotations"]["summary"] for rule in rules)


# Says what becomes of a connection that has been served once.
WAITING = """
import socket
with socket.create_connection(("10.77.0.100", 80)) as connection:
    connection.sendall(b"GET /t/1 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    connection.recv(65536)
    print("%s:%d" % connection.getsockname(), flush=True)
    try:
        connection.recv(1)
        print("closed")
    except ConnectionResetError:
        print("reset")
"""


def test_a_connection_is_killed_from_the_page(browser):
    with subprocess.Popen([BATON, "lab", "exec", "--name", NAME, "client", "--", "/usr/bin/python3", "-c", WAITING],
                          stdout=subprocess.PIPE, text=True) as client:
        name = client.stdout.readline().strip()
        button = '[aria-label="kill %s"]' % name
        wait(lambda: browser.script("return document.querySelector('%s') !== null" % button))
        browser.script("document.getElementById('token').value = '%s'" % token())
        browser.script("document.querySelector('%s').click()" % button)
        wait(lambda: browser.script("return document.getElementById('said').textContent") == name + ": killed")
        assert client.stdout.readline().strip() == "reset"
