"""What `make install` puts in place is whole, and `make uninstall` takes all of it away again."""

import os
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BATON = os.path.abspath(os.environ.get("BATON", os.path.join(ROOT, "build", "baton")))


def make(target, folder):
    done = subprocess.run(["make", "-C", ROOT, target, "BUILD=" + os.path.dirname(BATON), "DESTDIR=%s" % folder],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def files(folder):
    return {os.path.relpath(os.path.join(path, name), folder) for path, _, names in os.walk(folder) for name in names}


@pytest.fixture(name="place")
def installed(tmp_path):
    make("install", tmp_path)
    return tmp_path


def test_install_and_uninstall(place):
    there = files(place)
    prefix = "usr/local/"
    for wanted in ("bin/baton", "share/man/man1/baton.1", "share/man/man1/baton-front.1",
                   "share/man/man1/baton-compare.1", "share/bash-completion/completions/baton",
                   "lib/systemd/system/baton-front.service", "lib/systemd/system/baton-node@.service",
                   "lib/systemd/system/baton-dispatcher@.service"):
        assert prefix + wanted in there, wanted
    said = subprocess.run([place / prefix / "bin/baton", "--version"], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.startswith("baton ")
    make("uninstall", place)
    assert not files(place)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", ["baton-front.service", "baton-node@.service", "baton-dispatcher@.service"])
def test_units_are_what_systemd_understands(tmp_path, unit):
    """The command they start stands elsewhere here; nothing else is changed."""
    text = open(os.path.join(ROOT, "packaging", unit)).read()
    assert "/usr/local/bin/baton " in text
    path = tmp_path / unit.replace("@", "@node1")
    path.write_text(text.replace("/usr/local/bin/baton", BATON))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True)
    # Other units of the machine may have faults of their own.
    assert done.returncode == 0 and unit.split(".")[0].rstrip("@") not in done.stderr, done.stderr
