"""scripts/round-trip: over a long way connections move, and nothing is dropped for its timestamp."""

import json
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_nothing_is_dropped_on_a_long_way():
    done = subprocess.run([os.path.join(ROOT, "scripts", "round-trip"), "--rounds", "1", "--delay", "20ms", "--json"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["moved"] == result["to_move"] == 2
    assert result["segments"]["baton"]["paws"] <= result["segments"]["direct"]["paws"]
    # Three kinds of transfer for each of two sizes; none can be faster than the way there and back.
    assert len(result["transfers"]) == 6
    for row in result["transfers"]:
        assert row["baton_ms"] >= 40 and row["direct_ms"] >= 40 and row["ratio"][0] > 0
