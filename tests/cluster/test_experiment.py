"""`baton experiment policies`: a small run, and what must hold whatever the machine does."""

import json

from labs import run


def test_policies_on_small_caches():
    # Each of two caches has room for little more than half of the content (a cache's least is 1 MiB).
    said = json.loads(run("experiment", "policies", "-p", "wrr,lard,hrw", "-n", 2, "-r", 2, "--requests", 1500, "-o", 120,
                          "--size", "16Ki", "--share", 55, "-a", 0.4, "--origin-delay", "2ms", "--json", timeout=300).stdout)
    rows = {row["policy"]: row for row in said["policies"]}
    assert list(rows) == ["wrr", "lard", "hrw"]
    for row in rows.values():
        assert row["errors"] == 0
        assert len(row["requests_per_second"]) == len(row["hit_ratio"]) == len(row["p99_us"]) == 2
        assert all(rate > 0 for rate in row["requests_per_second"])
        assert all(1 <= most <= 2 for most in row["most_over_mean"])
    assert rows["wrr"]["ratio"] == [1, 1, 1]
    # Two caches that hold different things hold all; two that hold the same don't.
    for round_ in range(2):
        for policy in ("lard", "hrw"):
            assert rows[policy]["hit_ratio"][round_] > rows["wrr"]["hit_ratio"][round_]


def test_an_unknown_policy_is_refused():
    done = run("experiment", "policies", "-p", "nothing", "-n", 2, "-r", 1, "--requests", 10, "-o", 10, check=False)
    assert done.returncode == 1 and "nothing" in done.stderr
