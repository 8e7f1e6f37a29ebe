"""`baton monitor --web`: what the page draws is what --json prints, and nobody else gets at it."""

import json
import random
import shutil
import subprocess
import tempfile

import pytest

import packets as make
from browser import Browser, ask, free_port
from labs import BATON, run, until


@pytest.fixture(name="capture", scope="module")
def a_capture(tmp_path_factory):
    rng, some = random.Random(7), []
    while len(some) < 3000:
        some += make.every_kind(rng)
    rng.shuffle(some)
    path = tmp_path_factory.mktemp("web") / "some.pcap"
    make.write_pcap(path, some, step_us=3000)
    return path


@pytest.fixture(name="port", scope="module")
def served(capture):
    port = free_port()
    with subprocess.Popen([BATON, "monitor", "--web", "--listen", "127.0.0.1:%d" % port, "--read", capture],
                          stderr=subprocess.PIPE, text=True) as monitor:
        assert monitor.stderr.readline() == "baton: the graph is at http://127.0.0.1:%d/\n" % port
        yield port
        monitor.terminate()
        assert monitor.wait() == 0, monitor.stderr.read()


def lines(capture):
    return [json.loads(line) for line in run("monitor", "--json", "--interval", "1", "--read", capture).stdout.splitlines()]


def all_samples(port, expected):
    return until(lambda: (answer := json.loads(ask(port, "/api/samples")[1]))["next"] == len(expected) and answer["samples"],
                 "all lines")


def test_its_samples_are_the_lines_of_json(port, capture):
    expected = lines(capture)
    assert len(expected) > 8
    assert all_samples(port, expected) == expected
    # What has come since.
    rest = json.loads(ask(port, "/api/samples?after=%d" % (len(expected) - 2))[1])
    assert rest == {"next": len(expected), "samples": expected[-2:]}
    # A number of another run.
    assert json.loads(ask(port, "/api/samples?after=999999")[1])["samples"] == expected


@pytest.mark.parametrize("path, method, headers, wanted", [
    ("/api/samples", "GET", {"Host": "evil.example"}, 421),
    ("/api/samples?after=-1", "GET", {}, 400),
    ("/api/samples?after=1x", "GET", {}, 400),
    ("/api/samples", "POST", {}, 405),
    ("/api/status", "GET", {}, 404),
    ("/index.html", "GET", {}, 404),
    ("/../../etc/passwd", "GET", {}, 404),
])
def test_refuses(port, path, method, headers, wanted):
    status, body = ask(port, path, method, **headers)
    assert status == wanted and json.loads(body)["error"]


@pytest.mark.parametrize("words", [["--web", "--gtk"], ["--web", "--text"], ["--listen", "127.0.0.1:1"],
                                   ["--web", "--listen", "nowhere"]])
def test_wrong_usage(words, capture):
    done = run("monitor", *words, "--read", capture, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1


@pytest.mark.skipif(not shutil.which("chromedriver"), reason="chromedriver is not installed")
def test_the_page(port, capture):
    """Every button, list and width; values as --json has them; the console is still."""
    expected = lines(capture)
    all_samples(port, expected)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            browser.call("/url", {"url": "http://127.0.0.1:%d/" % port})
            labels = "return Object.values(charts)[0]?.data.datasets.map(set => set.label)"
            until(lambda: browser.script(labels) == ["Total", "TCP", "IP", "ARP", "Other"], "five curves")
            for key, name, *_ in (("arp", "ARP"), ("total", "Total")):
                browser.click("#k-" + key)
                until(lambda n=name: n not in browser.script(labels), "no curve of " + name)
            browser.click("#k-baton")
            until(lambda: browser.script(labels) == ["TCP", "IP", "Other", "Baton"], "Baton's curve")
            data = "return Object.values(charts)[0].data.datasets[1].data"
            rows = expected[:-1]
            assert browser.script(data) == [pytest.approx(row["ip"]["packets"] / row["seconds"]) for row in rows]
            choose = "const list = document.getElementById('%s'); list.value = '%s'; list.dispatchEvent(new Event('change'))"
            browser.script(choose % ("unit", "bytes"))
            assert browser.script(data) == [pytest.approx(row["ip"]["bytes"] / row["seconds"]) for row in rows]
            browser.script(choose % ("scale", "logarithmic"))
            assert browser.script("return Object.values(charts)[0].options.scales.y.type") == "logarithmic"
            assert browser.script("return table().trim().split('\\n').length") == len(rows) + 1
            for width in (360, 800, 1400):
                for dark in (False, True):
                    browser.show(width, dark)
                    until(lambda: browser.script("return document.documentElement.scrollWidth <= innerWidth"), "a fit")
            assert browser.complaints() == []
        finally:
            browser.end()
