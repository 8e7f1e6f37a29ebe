"""`baton experiment`: that it runs, goes on where it was, and says what it measured."""

import json

from labs import run


def test_kwon2008_quick_runs_and_goes_on(tmp_path):
    folder = tmp_path / "results"
    first = json.loads(run("experiment", "kwon2008", "--quick", "-o", folder, "--json").stdout)
    cells = {(cell["structure"], cell["policy"]): cell for cell in first["cells"]}
    assert set(cells) == {("haproxy", "ring"), ("relay", "ring"), ("inline", "mit-ch"), ("spread", "mit-ch")}
    for cell in cells.values():
        assert cell["requests"] > 0 and cell["requests_per_second"] > 0 and cell["front_cpu"] > 0
        assert 0 < cell["load"] <= 1 and cell["nodes"] == 2
        assert 1 <= cell["copies"] < 1.05, "content that goes by its URL is stored once"
        assert cell["front_mbit"] > 0 and cell["node_cpu"] > 0 and cell["spread"] >= 0
    page = (folder / "kwon2008.html").read_text()
    assert "handed off / relayed: ring" in page
    assert "inline mit-ch" in page and "<svg" in page and "(484)" in page, "the paper's figures are beside ours"

    # One result is lost, and half a line is left: only that cell is measured again.
    lines = (folder / "cells.jsonl").read_text().splitlines(keepends=True)
    (folder / "cells.jsonl").write_text("".join(lines[:3]) + lines[3][:20] + "\n")
    again = json.loads(run("experiment", "kwon2008", "--quick", "-o", folder, "--json").stdout)["cells"]
    assert again[:3] == first["cells"][:3] and len(again) == 4

    # Cells that were measured otherwise are not mixed with these.
    done = run("experiment", "kwon2008", "--quick", "-o", folder, "-c", 9, "--keep-alive", check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "other settings" in done.stderr


def test_wrong_words_are_one_line(tmp_path):
    for words in (["--nodes", "0"], ["--nodes", "two"], ["--structures", "nothing"], ["--workloads", "unc"]):
        done = run("experiment", "kwon2008", "-o", tmp_path / "none", *words, check=False)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, words
    assert not (tmp_path / "none").exists()
