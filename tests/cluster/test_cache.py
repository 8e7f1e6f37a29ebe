"""Cache nodes: Squid, nginx and Varnish before one origin, as reverse and as forward proxies, with a distiller."""

import contextlib
import json
import pathlib
import random
import re
import tempfile
import threading

import pytest

from labs import Lab, VIP, run, until
from pictures import wavy

FILES = 40
CACHES = ["squid", "nginx-cache", "varnish"]


@pytest.fixture(name="root", scope="module")
def files():
    """Not in pytest's own folder: that is closed to the users that servers run as."""
    with tempfile.TemporaryDirectory(prefix="baton-cache-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        for i in range(FILES):
            (folder / ("f%d" % i)).write_bytes(random.Random(i).randbytes(20000 + 500 * i))
        (folder / "wavy.png").write_bytes(wavy(1200, 900))
        (folder / "index.html").write_text("<!doctype html><title>Page</title><img src=wavy.png>\n")
        yield folder


def origin_fetches(lab):
    """Targets that the origin was asked for, in order."""
    lab.exec("origin", "curl", "-s", "-o", "/dev/null", "http://127.0.0.1/t/barrier")
    with open("%s/log/origin.access" % lab.run_folder) as file:
        found = [re.search(r'"[A-Z]+ (\S+) HTTP', line).group(1) for line in file]
    return [target for target in found if not target.startswith(("/t/", "/health"))]


def ask_for_all(lab, root, rounds):
    """Every file `rounds` times, each time on a connection of its own, so that a policy without memory is free."""
    for _ in range(rounds):
        for i in range(FILES):
            with lab.connect() as connection:
                answer = connection.get("/f%d" % i)
                assert answer.status == 200 and answer.body == (root / ("f%d" % i)).read_bytes()


def storage(lab):
    return json.loads(run("lab", "storage", "--name", lab.name, "--json").stdout)


def from_origin(lab):
    """Payload and answers that came from the origin since somebody looks, or None before all nodes have told."""
    seen = lab.ask(command="seen")["nodes"]
    told = [seen.get(node["name"]) for node in lab.status()["nodes"]]
    return (sum(node["traffic"]["origin"]["bytes"] for node in told),
            sum(node["traffic"]["origin_answers"]["packets"] for node in told)) if all(told) else None


@contextlib.contextmanager
def looking(lab):
    """Somebody looks at the page meanwhile."""
    over = threading.Event()

    def look():
        while not over.wait(0.5):
            lab.ask(command="seen")

    until(lambda: from_origin(lab) is not None, "what the nodes see")
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("kind", CACHES)
def test_each_object_is_stored_once(root, kind):
    """By content, one node caches an object: the origin is asked once, whoever asks and however often."""
    lab = Lab("cache", "-n", 3, "--server", kind, "--origin", root, "--origin-delay", "2ms", "--policy", "hrw")
    lab.set_service("web", "--health", "none")
    try:
        fetched = sum((root / ("f%d" % i)).stat().st_size for i in range(FILES))
        with looking(lab):
            ask_for_all(lab, root, 3)
            assert sorted(origin_fetches(lab)) == sorted("/f%d" % i for i in range(FILES))
            # Each body once, by the nodes' count; beside them heads and answers to health checks.
            counted, answers = until(lambda: (count := from_origin(lab) or (0, 0))[0] >= fetched and
                                     count[1] >= FILES and count, "the last report")
            assert counted < 1.2 * fetched and answers < 1.2 * FILES
        stored = storage(lab)
        assert stored["unique_objects"] == FILES and stored["objects"] == FILES
        assert 1 <= stored["copies"] < 1.05, stored
        assert stored["requests"] == 3 * FILES and stored["hits"] == 2 * FILES
        assert stored["origin"]["requests"] == FILES
        assert min(node["objects"] for node in stored["nodes"]) > 0
        assert "each stored 1.0" in run("lab", "storage", "--name", lab.name).stdout
    finally:
        lab.down()


@pytest.mark.parametrize("kind", CACHES)
def test_round_robin_stores_a_copy_on_every_node(root, kind):
    lab = Lab("cache", "-n", 2, "--server", kind, "--origin", root, "--policy", "rr")
    try:
        # An odd number of requests a round: each file meets both nodes in two rounds.
        for _ in range(2):
            ask_for_all(lab, root, 1)
            lab.curl("-o", "/dev/null", "http://%s/index.html" % VIP)
        stored = storage(lab)
        sizes = sum(20000 + 500 * i for i in range(FILES))
        assert stored["origin"]["object_bytes"] > sizes
        assert 1.95 < stored["copies"] < 2.1, stored
        assert {node["objects"] for node in stored["nodes"]} == {FILES + 1}
    finally:
        lab.down()


def test_a_disk_holds_what_memory_does_not(root):
    """A Squid whose memory holds a part of the files, and whose disk holds the rest."""
    lab = Lab("cache", "-n", 1, "--server", "squid", "--origin", root, "--cache-memory", "1Mi", "--cache-disk", "64Mi")
    try:
        ask_for_all(lab, root, 2)
        with_disk = storage(lab)
        assert with_disk["objects"] == FILES and with_disk["hits"] == FILES
        assert with_disk["copies"] == 1
    finally:
        lab.down()


@pytest.mark.parametrize("how", ["nginx:ring", "squid:carp"])
def test_nodes_that_relay_store_once(root, how):
    """Layer 4 in front, the nodes ask one another: the comparison's case, the same content on the same nodes."""
    lab = Lab("relay", "-n", 3, "--server", "squid", "--origin", root, "--policy", "rr", "--relay", how)
    try:
        ask_for_all(lab, root, 2)
        stored = storage(lab)
        assert stored["objects"] == stored["unique_objects"] == FILES and stored["hits"] == FILES
        assert min(node["objects"] for node in stored["nodes"]) > 0
    finally:
        lab.down()


@pytest.fixture(name="proxy", scope="module")
def forward_proxy(root):
    lab = Lab("proxy", "-n", 3, "--server", "squid", "--proxy", "--origin", root, "--distill", "3g")
    yield lab
    lab.down()


def through(lab, *words):
    """curl with the VIP as its proxy; the head of the answer, or what -w says."""
    return lab.curl("-x", "http://%s:80" % VIP, "-k", *words)


def test_forward_proxy_places_by_the_requested_url(proxy, root):
    """Absolute-form: the URL's host and path decide, whatever the connection; each node caches its own."""
    nodes = {}
    for name in ("origin.lab", "www.origin.lab"):
        for i in range(12):
            url = "http://%s/f%d" % (name, i)
            head = through(proxy, "-o", "/dev/null", "-D", "-", url)
            assert head.startswith("HTTP/1.1 200")
            nodes[url] = re.search(r"X-Node: (\S+)", head).group(1)
            where = proxy.ask(command="where", url=url)["node"]
            assert where == nodes[url], url
    assert len(set(nodes.values())) == 3
    assert any(nodes["http://origin.lab/f%d" % i] != nodes["http://www.origin.lab/f%d" % i] for i in range(12))
    head = through(proxy, "-o", "/dev/null", "-D", "-", "http://origin.lab/f3")
    assert "X-Cache: HIT" in head and nodes["http://origin.lab/f3"] in head


def test_absolute_form_moves_between_nodes_on_one_connection(proxy, root):
    with proxy.connect() as connection:
        seen = set()
        for i in range(24):
            answer = connection.get("http://origin.lab/f%d" % (i % FILES), headers=["Proxy-Connection: keep-alive"])
            assert answer.status == 200 and answer.body == (root / ("f%d" % (i % FILES))).read_bytes()
            seen.add(answer.node)
    assert len(seen) == 3
    assert proxy.sum_counters()["handoffs_in"] > 3


def test_connect_is_pinned(proxy, root):
    """A tunnel stays on its node: what is in it, even a readable request for another one's object, moves nothing."""
    for i in range(3):
        size = str(20000 + 500 * i)
        got = through(proxy, "https://origin.lab/f%d" % i, "-o", "/dev/null",
                      "-w", "%{http_connect} %{http_code} %{size_download}")
        assert got.split() == ["200", "200", size]
    before = proxy.sum_counters()["handoffs_out"]
    with proxy.connect() as tunnel:
        tunnel.send(b"CONNECT origin.lab:80 HTTP/1.1\r\nHost: origin.lab:80\r\n\r\n")
        status, _ = tunnel.response_head()
        assert status == 200
        for i in range(8):
            answer = tunnel.get("http://origin.lab/f%d" % i)
            assert answer.status == 200 and answer.body == (root / ("f%d" % i)).read_bytes()
            assert answer.node == "origin"
    assert proxy.sum_counters()["handoffs_out"] == before


def test_images_come_distilled(proxy, root):
    small = through(proxy, "-o", "/dev/null", "-D", "-", "-w", "%{size_download}", "http://origin.lab/wavy.png")
    size = int(small.splitlines()[-1])
    assert "X-Distilled: 3g" in small and size < (root / "wavy.png").stat().st_size / 4
    again = through(proxy, "-o", "/dev/null", "-D", "-", "http://origin.lab/wavy.png")
    assert "X-Cache: HIT" in again and "X-Distilled: 3g" in again
    posted = through(proxy, "-o", "/dev/null", "-w", "%{http_code}", "-d", "x=1", "http://origin.lab/f1")
    assert posted == "200"


def test_wrong_options_are_one_line():
    for words in (["--proxy"], ["--origin", "/nowhere"], ["--origin", "http://name/"], ["--cpu", "node"],
                  ["--cpu", "node=1%"], ["--rate", "front=fast"], ["--server", "ats"]):
        done = run("lab", "up", "--name", "nothing", *words, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, words
