"""The tree itself: documents that name what exists, help that fits, sources as clang-format has them."""

import json
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BATON = os.environ.get("BATON", os.path.join(ROOT, "build", "baton"))


def files(*patterns):
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.split()


@pytest.mark.parametrize("document", files("*.md"))
def test_links_lead_somewhere(document):
    folder = os.path.dirname(os.path.join(ROOT, document))
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", open(os.path.join(ROOT, document)).read()):
        if not link.startswith(("http://", "https://")):
            assert os.path.exists(os.path.join(folder, link)), link


def clang_format_version():
    """Versions differ in what they make of the same style; the tree is as 14, Debian 12's, has it."""
    if not shutil.which("clang-format"):
        return None
    return re.search(r"version (\d+)", subprocess.run(["clang-format", "--version"], capture_output=True,
                                                     text=True).stdout).group(1)


@pytest.mark.skipif(clang_format_version() != "14", reason="the tree is formatted by clang-format 14")
def test_sources_are_formatted():
    sources = files("src/*.c", "src/*.h", "tests/*.c", "tests/*.h", "fuzz/*.c", "fuzz/*.h")
    done = subprocess.run(["clang-format", "--dry-run", "--Werror", *sources], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]


def commands(words=()):
    """Every command and subcommand, as its own help lists them."""
    text = subprocess.run([BATON, *words, "--help"], capture_output=True, text=True, check=True).stdout
    yield list(words), text
    if "\nCommands:\n" in text:
        listed = text.split("\nCommands:\n")[1].split("\n\n")[0]
        for name in re.findall(r"^  (\S+)", listed, re.MULTILINE):
            yield from commands((*words, name))


def test_help_fits_80_columns():
    seen = 0
    for words, text in commands():
        seen += 1
        for line in text.splitlines():
            assert len(line) <= 80 and line == line.rstrip(), (words, line)
    assert seen > 30


def test_wrong_words_are_one_line_and_exit_2():
    for words, _ in commands():
        done = subprocess.run([BATON, *words, "--no-such-option"], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout, (words, done)


def test_manual_pages_are_written(tmp_path):
    subprocess.run([BATON, "--manual", tmp_path], check=True)
    pages = os.listdir(tmp_path)
    assert "baton.1" in pages and "baton-lab-up.1" in pages
    for page in pages:
        done = subprocess.run(["man", "--warnings", "-l", tmp_path / page], capture_output=True, text=True,
                              env=dict(os.environ, MANROFFSEQ="", MANWIDTH="80")) if shutil.which("man") else None
        assert not done or not done.stderr, done.stderr


def test_dashboards_are_json():
    for name in files("share/*.json", "share/*/*.json"):
        json.load(open(os.path.join(ROOT, name)))
