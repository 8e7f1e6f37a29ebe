"""`baton measure` with containers on this machine's own tree, and with guests that don't exist."""

import collections
import csv
import json

import labs

FAKE = """
name: fake
rounds: 2
subjects:
  - {kind: fake, name: good, mean: 2ms, external: 1ms}
  - {kind: fake, name: other, mean: 1ms, external: 3ms}
  - {kind: fake, name: dead, fail: boot}
  - {kind: fake, name: mean, fail: share}
  - {kind: fake, name: sick, fail: database, mean: 50ms}
networks: [nat]
workloads:
  - {type: samba, repeats: 6}
  - {type: web, repeats: 6}
"""

CONTAINER = """
name: container
root: /
warm_up: 0
subjects: [{kind: namespace}]
networks: [nat, tap]
workloads:
  - {type: goodput, direction: put, repeats: 1, time: 0.2s}
  - {type: goodput, direction: get, repeats: 1, time: 0.2s}
  - {type: round-trip, repeats: 1, count: 50}
  - {type: connect, repeats: 1, count: 50}
"""


def measure(folder, plan, *options, **how):
    path = folder / "plan.yaml"
    path.write_text(plan)
    return labs.run("measure", "run", path, "--output", folder / "out", "--json", *options, **how)


def rows(folder):
    with open(folder / "out" / "times.csv") as text:
        return list(csv.DictReader(text))


def test_holes_are_reported_and_the_plan_goes_on(tmp_path):
    report = json.loads(measure(tmp_path, FAKE, "--quiet").stdout)
    reasons = {(hole["subject"], hole["workload"]): (hole["reason"], hole["count"]) for hole in report["holes"]}
    assert reasons["dead", "web"] == ("the plan makes it fail to boot", 6)
    assert reasons["mean", "samba-put"] == ("the share refuses", 6)
    assert ("mean", "web") not in reasons
    assert reasons["sick", "web"][0] == "the database died"
    good = [cell for cell in report["cells"] if cell["subject"] in ("good", "other")]
    assert len(good) == 8 and all(cell["n"] == 6 and not cell["holes"] for cell in good)
    # The paper's finding, made: better inside and worse outside.
    ranks = report["ranks"]["file"]
    assert ranks["internal"][0]["subject"] == "other" and ranks["external"][0]["subject"] == "good"
    finding = report["orders"]["256"]["file"]
    assert finding["verdict"] == "differs" and any(pair["certain"] for pair in finding["reversed"])
    assert "With 256 MiB the order from inside" in report["orders"]["256"]["sentence"]
    assert report["choice"][0]["subject"] == "good" and report["choice"][1]["distinct"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "the database died" in page and page.count("<svg") >= 3 and "172 s" in page


def test_a_run_goes_on_where_it_ended(tmp_path):
    measure(tmp_path, FAKE, "--quiet", "--repeats", "2")
    before = rows(tmp_path)
    with open(tmp_path / "out" / "times.csv", "a") as text:
        text.write("1,99,good,nat,256,int")  # what a killed run leaves
    measure(tmp_path, FAKE, "--quiet")
    after = rows(tmp_path)
    assert after[:len(before)] == before
    kept = [row for row in after if row["status"] != "warm-up"]
    counted = collections.Counter((row["subject"], row["vantage"], row["workload"], row["repeat"]) for row in kept)
    assert set(counted.values()) == {1} and len(counted) == 5 * 2 * 2 * 6
    assert sorted(int(row["order"]) for row in kept) == list(range(1, len(kept) + 1))
    # In random order, not one after the other.
    assert [row["subject"] for row in kept] != sorted(row["subject"] for row in kept)
    measure(tmp_path, FAKE, "--quiet")
    assert rows(tmp_path) == after
    # More repetitions go on; what was measured otherwise does not belong to it.
    done = measure(tmp_path, FAKE.replace("mean: 1ms", "mean: 4ms"), "--quiet", check=False)
    assert done.returncode == 2 and "another 'other'" in done.stderr
    measure(tmp_path, FAKE.replace("repeats: 6", "repeats: 7"), "--quiet")
    assert len(rows(tmp_path)) > len(after)


def test_containers_are_measured_from_both_sides(tmp_path):
    report = json.loads(measure(tmp_path, CONTAINER).stdout)
    assert not report["holes"]
    cells = {(cell["network"], cell["vantage"], cell["workload"], cell["metric"]): cell for cell in report["cells"]}
    for network in ("nat", "tap"):
        for vantage in ("internal", "external"):
            for work in (("goodput-put", "rate"), ("goodput-get", "rate"), ("connect", "rate"), ("round-trip", "median")):
                assert cells[(network, vantage, *work)]["mean"][0] > 0


def test_a_real_container_that_dies_is_a_hole(tmp_path):
    plan = """
name: dies
root: /
warm_up: 0
subjects:
  - {kind: namespace, name: dies, fail: guest}
  - {kind: namespace, name: lives}
networks: [tap]
workloads:
  - {type: connect, repeats: 2, count: 20}
  - {type: round-trip, repeats: 2, count: 20}
"""
    report = json.loads(measure(tmp_path, plan, "--quiet").stdout)
    holes = {(hole["subject"], hole["vantage"], hole["workload"]): hole for hole in report["holes"]}
    assert {place[0] for place in holes} == {"dies"} and len(holes) == 4
    assert all(hole["count"] == 2 for hole in holes.values())
    # The first repetition finds nobody to talk to, the others no guest.
    reasons = sorted({row["reason"] for row in rows(tmp_path) if row["status"] == "failed"})
    assert "the guest ended" in reasons and len(reasons) == 2
    cells = [cell for cell in report["cells"] if cell["metric"] in ("rate", "median")]
    assert len(cells) == 4 and all(cell["subject"] == "lives" and cell["n"] == 2 for cell in cells)


def test_what_was_measured_is_simulated(tmp_path):
    measure(tmp_path, CONTAINER)
    profile = labs.run("measure", "profile", tmp_path / "out").stdout
    values = dict(line.split()[:2] for line in profile.splitlines() if not line.startswith("#"))
    assert float(values["hit_us"]) > 0 and float(values["link_mbit"]) > 0
    (tmp_path / "profile").write_text("hit_us 1000\nlink_mbit 8\nrtt_us 500\n")
    rates = {}
    for name, extra in (("none", ()), ("slow", ("--measured", tmp_path / "profile"))):
        report = labs.run("simulate", "cache", "--policies", "rr", "--nodes", "2", "--cache", "50%", "--requests", "2000",
                          "--csv", *extra).stdout.splitlines()
        rates[name] = dict(zip(report[0].split(","), report[1].split(",")))
    assert rates["none"] != rates["slow"]
    on_a_labs_cables(tmp_path, profile)
    done = labs.run("measure", "profile", tmp_path / "out", "--subject", "nobody", check=False)
    assert done.returncode == 1 and "nobody" in done.stderr


def on_a_labs_cables(folder, measured):
    """A lab whose first node is as slow as a made-up guest, its second as one that was measured."""
    (folder / "slow").write_text("hit_us 1000\nlink_mbit 8\nrtt_us 20000\n")
    (folder / "measured").write_text(measured)
    assert float(dict(line.split()[:2] for line in measured.splitlines() if line[0] != "#")["rtt_us"]) > 0
    lab = labs.Lab("profile", "-n", 2, "--profile", folder / "slow", "--profile", "node2=%s" % (folder / "measured"))
    try:
        # Load makes it slower, nothing makes it faster than the profile says.
        pings = lab.exec("client", "ping", "-q", "-c", 3, "-i", 0.2, "10.77.0.11").stdout
        assert float(pings.split("= ")[-1].split("/")[0]) >= 20
        size, seconds = lab.curl("-o", "/dev/null", "-w", "%{size_download} %{time_total}", "http://10.77.0.11/1MB").split()
        assert int(size) == 1000000
        # 70 KB may pass at once at each end of the cable.
        assert float(seconds) >= (1000000 - 2 * 70000) * 8 / 8.4e6
        assert lab.curl("-o", "/dev/null", "-w", "%{size_download}", "http://10.77.0.12/1MB") == "1000000"
    finally:
        lab.down()
    done = labs.run("lab", "up", "--profile", "node9=%s" % (folder / "slow"), check=False)
    assert done.returncode == 2 and "node9 is no node of this lab" in done.stderr


def test_a_wrong_plan_is_refused(tmp_path):
    done = measure(tmp_path, FAKE + "  - {type: web, name: twice, colour: red}\n", check=False)
    assert done.returncode == 2 and "plan.yaml:14: colour: unknown key" in done.stderr
    done = labs.run("measure", "run", check=False)
    assert done.returncode == 2
    done = labs.run("measure", "report", tmp_path, check=False)
    assert done.returncode == 2 and "plan.yaml" in done.stderr
