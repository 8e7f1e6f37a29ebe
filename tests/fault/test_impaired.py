"""Cables that lose, double and reorder frames."""

import json
import os

import pytest

from labs import BATON, Lab, run

FILES, SIZE = 100, 20000


@pytest.fixture(name="lab", scope="module")
def impaired_lab(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    os.chmod(root, 0o755)
    lab = Lab("impaired", "-n", 3, "--impair", "--policy", "hrw", "--root", root)
    made = lab.exec("client", BATON, "load", "content", root, "--paths", "/{1..%d}" % FILES, "--size", SIZE)
    assert made.returncode == 0, made.stderr
    yield lab
    lab.down()


def impair(lab, *words, check=True):
    return run("lab", "impair", "--name", lab.name, *words, check=check)


def pings(lab, address, count=20):
    """What ping says of so many."""
    return lab.exec("client", "ping", "-q", "-c", count, "-i", "0.01", "-W", "1", address).stdout


def play(lab, requests, *words):
    done = lab.exec("client", BATON, "load", "closed", "http://10.77.0.100/{1..%d}" % FILES, "--verify", "--size", SIZE,
                    "-n", requests, "--timeout", 120, "--json", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_line_does_what_it_is_told(lab):
    impair(lab, "client", "node1", "--loss", "100%")
    try:
        assert "100% packet loss" in pings(lab, "10.77.0.11", 3)
        assert " 0% packet loss" in pings(lab, "10.77.0.12", 3)
        impair(lab, "client", "--duplicate", "1")
        assert "duplicates" in pings(lab, "10.77.0.11", 3)
    finally:
        impair(lab, "client", "--off")
    said = pings(lab, "10.77.0.11", 3)
    assert " 0% packet loss" in said and "duplicates" not in said


def test_every_body_is_exact_on_bad_cables(lab):
    """Kept connections that move between nodes, and one connection a request, through loss of 1 % and reordering and
    repetition of 1 % on every cable: each frame passes two cables, a request and its answer six or more."""
    impair(lab, "--loss", "1%", "--reorder", "1%", "--duplicate", "1%", "--seed", 7)
    try:
        kept = play(lab, 2000, "-c", 100)
        assert (kept["requests"], kept["errors"]) == (2000, 0)
        assert kept["switched_us"]["count"] > 500
        closed = play(lab, 1000, "-c", 100, "--close")
        assert (closed["requests"], closed["errors"]) == (1000, 0)
    finally:
        impair(lab, "--off")


@pytest.mark.parametrize("words, says", [
    (["--loss", "2"], "take a share"), (["--loss", "x"], "take a share"), ([], "either --off or what"),
    (["nobody", "--loss", "1%"], "no host 'nobody'"), (["client", "front", "origin", "--loss", "1%"], "one host, or two")])
def test_bad_input_is_one_line(lab, words, says):
    done = impair(lab, *words, check=False)
    assert done.returncode in (1, 2) and says in done.stderr and done.stderr.count("\n") == 1
