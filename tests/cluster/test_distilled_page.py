"""Chromium through the forward proxy's address, pictures distilled: scripts/distilled-page, as docs show it."""

import json
import os
import shutil
import subprocess

import pytest

from labs import BATON, ROOT


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_a_page_looks_right_and_is_small():
    """Every picture is shown, no larger than the profile says, in the original's colours; the text is there."""
    done = subprocess.run([os.path.join(ROOT, "scripts", "distilled-page"), "--json", "--nodes", "2", "--profiles", "none,3g"],
                          capture_output=True, text=True, env={**os.environ, "BATON": BATON})
    assert done.returncode == 0, done.stderr
    whole, small = json.loads(done.stdout)
    for result in (whole, small):
        assert {part["name"] for part in result["parts"]} == {"page.html", "photo.jpg", "drawing.png", "picture.webp"}
        for part in result["parts"]:
            if "off" in part:
                assert part["width"] > 0 and part["height"] > 0
                # A part of the picture is a 48th of it: means don't change by sizes and qualities, but for edges.
                assert part["off"] < 16, part
    assert whole["bytes"] == whole["original"]
    for before, after in zip(whole["parts"], small["parts"]):
        assert after["bytes"] < before["bytes"] / 2, after
        assert after.get("width", 640) == 640
