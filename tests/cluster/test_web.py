"""The page and its API: by hand, and in a browser as a person uses them."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

BATON = os.environ.get("BATON", "build/baton")
NAME = "web%d" % os.getpid()
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def port():
    run(BATON, "lab", "up", "--name", NAME, "-n", "2")
    port = free_port()
    server = subprocess.Popen([BATON, "web", "--name", NAME, "--listen", "127.0.0.1:%d" % port],
                              stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline().startswith("http://127.0.0.1:%d/" % port)
    wait(lambda: ask(port, "/api/status")[0] == 200)
    yield port
    server.terminate()
    assert server.wait() == 0
    run(BATON, "lab", "down", "--name", NAME)


def ask(port, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


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
            assert name.split("{")[0] in named
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
])
def test_refuses(port, path, method, headers, wanted):
    headers = {name: value.replace("TOKEN", token()) for name, value in headers.items()}
    status, body = ask(port, path, method, **headers)
    assert status == wanted and json.loads(body)["error"]
    assert state("node2") == "up"


def test_token_is_its_owners_alone(port):
    assert os.stat("/run/baton/%s/token" % NAME).st_mode & 0o777 == 0o600


class Browser:
    """As much of WebDriver (W3C) as this needs."""

    def __init__(self, profile):
        self.port = free_port()
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % self.port], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)
        while "started successfully" not in self.driver.stdout.readline():
            assert self.driver.poll() is None
        self.session = ""
        options = {"args": [*FLAGS, "--user-data-dir=" + profile, "--window-size=1200,900"]}
        answer = self.call("", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}})
        self.session = "/" + answer["sessionId"]

    def call(self, path, body=None, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, "/session" + self.session + path, json.dumps(body or {}))
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(value, dict) and value.get("error")), value
        return value

    def script(self, text):
        return self.call("/execute/sync", {"script": text, "args": []})

    def element(self, css):
        return next(iter(self.call("/element", {"using": "css selector", "value": css}).values()))

    def click(self, css):
        self.call("/element/%s/click" % self.element(css))

    def type(self, css, text):
        self.call("/element/%s/value" % self.element(css), {"text": text})

    def end(self):
        self.call("", method="DELETE")
        self.driver.terminate()
        self.driver.wait()


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
    wait(lambda: browser.script("return Object.keys(charts).length") == 4)
    # Everything came from this server.
    assert browser.script("return performance.getEntriesByType('resource').every(r => r.name.startsWith(location.origin))")


def test_drain_needs_the_token_and_empties_the_node(browser):
    browser.click("#b-node1")
    wait(lambda: "token" in browser.script("return document.getElementById('said').textContent"))
    assert state("node1") == "up"
    browser.type("#token", token())
    browser.click("#b-node1")
    wait(lambda: state("node1") == "drain")
    wait(lambda: browser.script("return document.getElementById('b-node1').textContent") == "ready")
    asked = [word for i in range(20) for word in ("-o", "/dev/null", "http://10.77.0.100/t/%d" % i)]
    served = run(BATON, "lab", "exec", "--name", NAME, "client", "--", "curl", "-s", "-w", "%header{x-node} ",
                 *asked).split()
    assert served == ["node2"] * 20
    browser.click("#b-node1")
    wait(lambda: state("node1") == "up")
