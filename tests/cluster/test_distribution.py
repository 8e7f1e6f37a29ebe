"""`baton distribution`, two short runs of the sixteen."""

import json
import os
import subprocess

BATON = os.path.abspath(os.environ.get("BATON", "build/baton"))


def test_what_is_stored_is_what_was_sent(tmp_path):
    done = subprocess.run([BATON, "distribution", "--runs", "2", "--scale", "0.05", "--json", "--html",
                           tmp_path / "page.html", "--dir", tmp_path / "kept"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["lost_bytes"] == said["errors"] == said["wrong_blocks"] == 0
    assert said["sent_bytes"] == said["stored_bytes"] > 0
    assert len(said["runs"]) == 2
    for row in said["runs"]:
        # 44 messages each, in turn: a third each.
        assert len(row["bytes"]) == 3 and all(row["bytes"].values())
        assert row["imbalance"] > 0 and len(row["over_time"]) == 20
    # Each host has seen at least the data: what the generator sent came in at the receivers.
    hosts = said["hosts"]
    assert hosts["client"]["out"]["bytes"] > said["sent_bytes"]
    assert sum(hosts[f"node{i}"]["in"]["bytes"] for i in (1, 2, 3)) > said["sent_bytes"]
    assert (tmp_path / "page.html").read_text().count("<svg") == 2
    kept = sum((tmp_path / "kept" / f"run{r}" / f"node{i}" / "received.raw").stat().st_size
               for r in (1, 2) for i in (1, 2, 3))
    assert kept == said["sent_bytes"]


def test_answers_come_back_through_a_translating_server():
    """Then the virtual server handles every packet of both ways twice; directly only those that the generator sends."""
    ratios = {}
    for how in ("direct", "nat"):
        done = subprocess.run([BATON, "distribution", "--runs", "1", "--scale", "0.05", "--json", "--forward", how],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["lost_bytes"] == said["errors"] == said["wrong_blocks"] == 0
        ratios[how] = said["front_ratio"]
    # Health checks and the control channel come on top, the more the slower this machine is.
    assert ratios["direct"] >= 2 and ratios["nat"] >= 3
