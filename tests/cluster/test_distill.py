"""The distiller between a client and an origin of the test's own, on loopback."""

import gzip
import http.client
import http.server
import os
import re
import subprocess
import threading
import zlib

import pytest

from pictures import png, wavy

BATON = os.environ.get("BATON", "build/baton")


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects = {}
    seen = []

    def do_GET(self):
        Origin.seen.append((self.path, dict(self.headers)))
        kind, body, extra = Origin.objects.get(self.path, ("text/plain", None, {}))
        tag = '"%08x"' % zlib.crc32(body or b"")
        if body is not None and self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.send_header("ETag", tag)
            self.end_headers()
            return
        self.send_response(200 if body is not None else 404)
        body = body or b"nothing here"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", tag)
        for name, value in extra.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def distiller(tmp_path_factory):
    picture = wavy(1600, 1200)
    words = b"the same words again and again, " * 400
    folder = tmp_path_factory.mktemp("distill")
    (folder / "wavy.png").write_bytes(picture)
    subprocess.run([BATON, "distill", "file", folder / "wavy.png", "-o", folder / "wavy.webp", "--profile", "4g",
                    "--accept", "image/webp"], check=True, stdout=subprocess.DEVNULL)
    webp = (folder / "wavy.webp").read_bytes()
    assert webp[8:12] == b"WEBP"
    Origin.objects = {
        "/wavy.png": ("image/png", picture, {}),
        "/wavy.png?size=2": ("image/png", picture[:-1] + b"!", {}),
        "/broken.webp": ("image/webp", webp[:len(webp) // 2], {}),
        "/bomb.png": ("image/png", png(60000, 60000, [b"\0" * 60000] * 4), {}),
        "/lies.jpg": ("image/jpeg", words, {}),
        "/kept.png": ("image/png", picture, {"Cache-Control": "public, no-transform"}),
        "/words.txt": ("text/plain", words, {}),
        "/big.bin": ("application/octet-stream", bytes(range(256)) * 80000, {}),
    }
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with http.server.HTTPServer(("127.0.0.1", 0), Origin) as probe:
        port = probe.server_address[1]
    process = subprocess.Popen([BATON, "distill", "serve", "--listen", "127.0.0.1:%d" % port, "--parent",
                                "http://127.0.0.1:%d" % origin.server_address[1], "--profile", "3g"],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("distilling for 3g")
    yield port
    process.terminate()
    assert process.wait() == 0
    origin.shutdown()
    origin.server_close()


def ask(port, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def test_png_becomes_smaller(distiller):
    response, content = ask(distiller, "/wavy.png")
    original = Origin.objects["/wavy.png"][1]
    assert response.status == 200
    assert len(content) < len(original) / 4
    assert response.headers["Content-Type"] in ("image/jpeg", "image/png")
    assert "Accept" in response.headers["Vary"]
    assert re.fullmatch(r'W/"[0-9a-f]{8};baton-3g-(jpeg|png)"', response.headers["ETag"])
    assert response.headers["X-Distilled"].split()[2:] == [str(len(original)), str(len(content))]


def test_format_follows_accept(distiller):
    plain = ask(distiller, "/wavy.png")[1]
    smaller = ask(distiller, "/wavy.png", Accept="text/html,image/avif;q=0.8,image/webp")
    assert smaller[0].headers["Content-Type"] in ("image/avif", "image/webp")
    assert len(smaller[1]) < len(plain)
    assert ask(distiller, "/wavy.png", Accept="image/avif;q=0, image/webp;q=0.0")[1] == plain


def test_own_tag_validates(distiller):
    tag = ask(distiller, "/wavy.png")[0].headers["ETag"]
    response, content = ask(distiller, "/wavy.png", If_None_Match=tag.removeprefix("W/"))
    assert response.status == 304 and not content


@pytest.mark.parametrize("path", ["/broken.webp", "/bomb.png", "/lies.jpg", "/kept.png", "/big.bin"])
def test_original_is_kept(distiller, path):
    response, content = ask(distiller, path, Accept="image/webp")
    kind, original, _ = Origin.objects[path]
    assert response.status == 200 and response.headers["Content-Type"] == kind
    assert content == original and "X-Distilled" not in response.headers


def test_text_is_compressed_for_who_takes_it(distiller):
    response, content = ask(distiller, "/words.txt", Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(content) == Origin.objects["/words.txt"][1]
    response, content = ask(distiller, "/words.txt", Accept_Encoding="gzip;q=0")
    assert "Content-Encoding" not in response.headers and content == Origin.objects["/words.txt"][1]


def test_query_reaches_the_origin_and_range_does_not(distiller):
    ask(distiller, "/wavy.png?size=2", Range="bytes=0-9")
    path, headers = Origin.seen[-1]
    assert path == "/wavy.png?size=2" and "Range" not in headers


def test_head_and_what_is_refused(distiller):
    response, content = ask(distiller, "/wavy.png", method="HEAD")
    assert response.status == 200 and not content
    assert int(response.headers["Content-Length"]) == len(Origin.objects["/wavy.png"][1])
    assert ask(distiller, "/nowhere")[0].status == 404
    assert ask(distiller, "/wavy.png", method="POST", body=b"x")[0].status == 501


def test_wrong_options_are_one_line():
    for words in (["--parent", "ftp://x"], ["--listen", "nowhere"], ["--profile", "5g"]):
        done = subprocess.run([BATON, "distill", "serve", *words], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
