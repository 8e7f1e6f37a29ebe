"""`baton compare`: both kinds of front answer, and their bytes are told apart; the floor, the control and connections
that move are what they say."""

import json
import os
import subprocess

import pytest

BATON = os.environ.get("BATON", "build/baton")


def compare(*options):
    done = subprocess.run([BATON, "compare", *options, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_proxy_carries_what_baton_does_not():
    result = compare("--peers", "haproxy,baton,direct", "--sizes", "10KB", "--modes", "keepalive", "--rounds", "2",
                     "--seconds", "0.3")
    by_peer = {cell["peer"]: cell for cell in result["results"]}
    assert sorted(by_peer) == ["baton", "direct", "haproxy"]
    for cell in by_peer.values():
        assert cell["requests_per_second"] > 0 and cell["errors"] == 0 and cell["whole_us_per_request"] > 0
    # In and out again, against acknowledgements and requests alone.
    assert by_peer["haproxy"]["front_bytes_per_byte"] > 2 > 0.5 > by_peer["baton"]["front_bytes_per_byte"]
    assert by_peer["direct"]["front_us_per_request"] is None
    pairs = {(ratio["of"], ratio["to"]): ratio for ratio in result["ratios"]}
    assert set(pairs) == {("haproxy", "baton"), ("haproxy", "direct"), ("baton", "direct")}
    for ratio in pairs.values():
        for key in ("whole_cpu", "requests_per_second"):
            middle, low, high = ratio[key]
            assert 0 < low <= middle <= high
    assert pairs["baton", "direct"]["front_cpu"] is None and pairs["haproxy", "baton"]["front_cpu"][0] > 0


def test_the_floor_the_control_and_connections_that_move():
    result = compare("--peers", "dsr,xdp,baton,baton2,moved", "--sizes", "1KB", "--modes", "keepalive,close",
                     "--rounds", "1", "--seconds", "0.3", "--together")
    cells = {(cell["mode"], cell["peer"]): cell for cell in result["results"]}
    # One request a connection moves nowhere, so there is no such cell.
    assert set(cells) == {(mode, peer) for mode in ("keepalive", "close")
                          for peer in ("dsr", "xdp", "baton", "baton2", "moved")} - {("close", "moved")}
    for (mode, peer), cell in cells.items():
        assert cell["errors"] == 0 and cell["requests_per_second"] > 0, (mode, peer)
        assert cell["whole_us_per_request"] is None
        # Answers go straight to the client from every one of these.
        assert cell["front_bytes_per_byte"] < 2, (mode, peer)
    # One object stays on its node (unless a health check fails); alternating ones never do, but for each connection's
    # first and the few that weren't quiet.
    for peer in ("baton", "baton2"):
        assert cells["keepalive", peer]["moved"] < 0.1 < 0.5 < cells["keepalive", "moved"]["moved"]
    pairs = {(ratio["of"], ratio["to"]) for ratio in result["ratios"]}
    assert pairs == {("baton", "dsr"), ("baton", "xdp"), ("baton2", "baton"), ("moved", "baton")}


def test_a_splicing_front_carries_all_bytes_too():
    result = compare("--peers", "splice,baton", "--sizes", "10KB", "--modes", "keepalive,close", "--rounds", "1",
                     "--seconds", "0.3")
    for cell in result["results"]:
        assert cell["errors"] == 0 and cell["requests_per_second"] > 0
        if cell["mode"] == "keepalive":
            assert (cell["front_bytes_per_byte"] > 2) == (cell["peer"] == "splice")


def test_a_layer_4_front_with_relays_answers_directly():
    result = compare("--peers", "relay,baton", "--sizes", "100KB", "--modes", "keepalive", "--rounds", "1",
                     "--seconds", "0.3")
    for cell in result["results"]:
        assert cell["errors"] == 0 and cell["requests_per_second"] > 0
        # No response crosses either front.
        assert cell["front_bytes_per_byte"] < 0.5, cell


def test_peers_that_are_not_there_are_refused():
    for peers in ("nobody", "baton,baton", ""):
        done = subprocess.run([BATON, "compare", "--peers", peers], capture_output=True, text=True)
        assert done.returncode == 2 and "--peers" in done.stderr


@pytest.mark.parametrize("kind", ["syn", "ack"])
def test_a_flood_from_strangers(kind):
    """Requests are answered beside it, and Baton keeps nothing of it."""
    result = compare("--flood", kind, "--flood-rate", "100000", "--peers", "dropped,baton,haproxy", "--sizes", "100B",
                     "--modes", "close", "--rounds", "1", "--seconds", "1", "--requests", "40", "--connections", "4")
    cells = {cell["peer"]: cell for cell in result["results"]}
    assert sorted(cells) == ["baton", "dropped", "haproxy"]
    for peer, cell in cells.items():
        assert cell["flood_packets"] > 0 and cell["requests"] == 40 and cell["errors"] == 0, peer
    # (40 connections that the load made may not have been swept yet.)
    assert cells["baton"]["kept"] <= 4 * 40
