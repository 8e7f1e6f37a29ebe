"""Our pages' servers asked by hand, and by headless Chromium as a person uses it."""

import base64
import http.client
import json
import socket
import subprocess

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, path, method="GET", **headers):
    """Status and body of what a server of ours answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


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
        answer = self.call("", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = "/" + answer["sessionId"]

    def call(self, path, body=None, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, "/session" + self.session + path, json.dumps(body or {}))
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        assert not (isinstance(value, dict) and value.get("error")), value
        return value

    def devtools(self, command, **parameters):
        return self.call("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def show(self, width, dark=False):
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                      mobile=width < 500)

    def save(self, path):
        """The whole page as a PNG."""
        data = self.devtools("Page.captureScreenshot", captureBeyondViewport=True, format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self):
        """What the console has had to say since the last call."""
        return [entry["message"] for entry in self.call("/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

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
