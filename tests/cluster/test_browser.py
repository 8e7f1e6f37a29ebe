"""A stock browser against the service's address, IPv4 and IPv6: a page whose parts are on all nodes."""

import os
import random
import re
import shutil

import pytest

from labs import Lab, VIP, VIP6

SCRIPTS, FILES = 12, 24
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage")

# The scripts are fetched over several connections at once, the files one after the other over connections that are
# kept. What came is written into the page, for --dump-dom.
PAGE = """<!DOCTYPE html><html><head><title>parts</title><link rel="icon" href="data:,">
<script>var seen = [];</script>
%s
</head><body><pre id="told"></pre><script>
var lines = ["scripts " + seen.sort(function (a, b) { return a - b; }).join(",")];
for (var i = 0; i < %d; i++) {
  var asked = new XMLHttpRequest();
  asked.open("GET", "/f" + i, false);
  asked.overrideMimeType("text/plain; charset=x-user-defined");
  asked.send();
  var sum = 0, text = asked.responseText;
  for (var j = 0; j < text.length; j++)
    sum = (sum * 31 + (text.charCodeAt(j) & 255)) %% 1000000007;
  lines.push("file " + i + " " + asked.status + " " + text.length + " " + sum + " " + asked.getResponseHeader("X-Node"));
}
document.getElementById("told").textContent = lines.join("\\n");
</script></body></html>
"""


def checksum(data):
    total = 0
    for byte in data:
        total = (total * 31 + byte) % 1000000007
    return total


@pytest.fixture(name="files", scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("root")
    os.chmod(folder, 0o755)
    contents = [random.Random(i).randbytes([0, 1, 1447, 1448, 65536, 300000][i] if i < 6 else 3000 + 997 * i)
                for i in range(FILES)]
    for i, content in enumerate(contents):
        (folder / ("f%d" % i)).write_bytes(content)
    for i in range(SCRIPTS):
        (folder / ("s%d.js" % i)).write_text("seen.push(%d);\n" % i)
    scripts = "\n".join('<script src="/s%d.js"></script>' % i for i in range(SCRIPTS))
    (folder / "page.html").write_text(PAGE % (scripts, FILES))
    return folder, contents


@pytest.fixture(name="lab", scope="module")
def lab_with_page(files):
    lab = Lab("browser", "-n", 4, "--root", files[0])
    yield lab
    lab.down()


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
@pytest.mark.parametrize("address", [VIP, "[%s]" % VIP6])
def test_a_browser_gets_every_part(lab, files, tmp_path, address):
    contents = files[1]
    done = lab.exec("client", "env", "HOME=%s" % tmp_path, "chromium", *FLAGS, "--user-data-dir=%s" % (tmp_path / "data"),
                    "--dump-dom", "http://%s/page.html" % address)
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.S)
    assert told, done.stdout[-2000:] + done.stderr[-2000:]
    lines = told.group(1).split("\n")
    assert lines[0] == "scripts " + ",".join(str(i) for i in range(SCRIPTS))
    nodes = set()
    for i, line in enumerate(lines[1:]):
        words = line.split()
        assert words[:5] == ["file", str(i), "200", str(len(contents[i])), str(checksum(contents[i]))], line
        nodes.add(words[5])
    assert len(lines) == FILES + 1
    # 24 names fall on one node once in 4^23.
    assert len(nodes) > 1
    assert not any(lab.server_errors().values())


def handed(lab):
    """Connections that each node has got."""
    return {node["name"]: lab.counters(node["name"])["handoffs_in"] for node in lab.status()["nodes"]}


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_a_browser_s_hello_goes_by_its_name(lab, tmp_path):
    """Its key share is a post-quantum one (X25519MLKEM768, 1,216 bytes), so the hello takes two segments; its extensions
    come in any order, so the name is in the one or in the other."""
    before, fallbacks = handed(lab), lab.status()["front"]["fallbacks"]
    done = lab.exec("client", "env", "HOME=%s" % tmp_path, "chromium", *FLAGS, "--user-data-dir=%s" % (tmp_path / "data"),
                    "--ignore-certificate-errors", "--host-resolver-rules=MAP www.example.org %s" % VIP, "--dump-dom",
                    "https://www.example.org/s1.js")
    assert "seen.push(1);" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    node = lab.ask(command="where", url="https://www.example.org/")["node"]

    assert {name for name, count in handed(lab).items() if count > before[name]} == {node}
    assert lab.status()["front"]["fallbacks"] == fallbacks
