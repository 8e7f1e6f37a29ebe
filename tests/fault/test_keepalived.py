"""The VIP on one of two fronts, kept there and moved by keepalived with the file that is shipped: its host cut off, or
its keepalived killed. The front in waiting knows none of the connections."""

import os
import signal
import subprocess

import pytest

from labs import BATON, ROOT, VIP, VIP6, until
from test_two_fronts import FRONTS, cable, everything, ip, known, lab_with_two_fronts, told  # noqa: F401

SHIPPED = os.path.join(ROOT, "packaging/keepalived/keepalived.conf")


class Keeper:
    """keepalived on one front."""

    def __init__(self, lab, front, priority):
        self.lab, self.front = lab, front
        folder = os.path.join(lab.run_folder, "keepalived-" + front)
        os.makedirs(folder, exist_ok=True)
        with open(SHIPPED) as file:
            text = file.read()
        assert "priority 100\n" in text and VIP in text and VIP6 in text
        with open(folder + "/conf", "w") as file:
            file.write(text.replace("priority 100\n", "priority %d\n" % priority))
        # Only readable by their owner, or keepalived refuses it.
        os.chmod(folder + "/conf", 0o600)
        with open(folder + "/log", "w") as log:
            self.daemon = subprocess.Popen(
                [BATON, "lab", "exec", "--name", lab.name, front, "--", "keepalived", "--dont-fork", "--log-console",
                 "--vrrp", "--use-file", folder + "/conf", "--pid", folder + "/pid", "--vrrp_pid", folder + "/vrrp"],
                stdout=log, stderr=log)

    def has_vip(self):
        return VIP + "/32" in self.lab.exec(self.front, "ip", "-4", "address", "show", "dev", "eth0").stdout

    def kill(self):
        """At once, parent and child: nobody takes the VIP back."""
        pid = self.daemon.pid
        os.kill(pid, signal.SIGSTOP)
        with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
            family = [int(child) for child in children.read().split()]
        assert family
        for one in [*family, pid]:
            os.kill(one, signal.SIGKILL)
        self.daemon.wait()

    def end(self):
        if self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait()


def on_lo(lab, verb):
    """The VIP on the fronts' lo, where the lab put it, or not."""
    for front in FRONTS:
        ip(lab, front, "address", verb, VIP + "/32", "dev", "lo")
        ip(lab, front, "address", verb, VIP6 + "/128", "dev", "lo", *(["nodad"] if verb == "add" else []))


def kept(lab):
    """Both at work; the router asks on the link who has the VIP."""
    on_lo(lab, "del")
    ip(lab, "router", "-4", "route", "replace", VIP + "/32", "dev", "eth0")
    ip(lab, "router", "-6", "route", "replace", VIP6 + "/128", "dev", "eth0")
    keepers = {front: Keeper(lab, front, 150 - 50 * i) for i, front in enumerate(FRONTS)}
    until(lambda: any(keeper.has_vip() for keeper in keepers.values()), "one of them has the VIP")
    return keepers


@pytest.fixture(name="keepers")
def two_keepers(lab):
    keepers = kept(lab)
    yield keepers
    for front, keeper in keepers.items():
        cable(lab, front, "up")
        keeper.end()
        # Who was killed has left it there.
        if keeper.has_vip():
            ip(lab, front, "address", "del", VIP + "/32", "dev", "eth0")
            ip(lab, front, "address", "del", VIP6 + "/128", "dev", "eth0")
    on_lo(lab, "add")
    until(lambda: all(known(lab, front) for front in FRONTS), "both fronts know all nodes")


@pytest.mark.parametrize("how", ["host cut off", "keepalived killed"])
def test_the_address_moves(lab, keepers, how):
    active = next(front for front in FRONTS if keepers[front].has_vip())
    other = next(front for front in FRONTS if front != active)
    before = told(lab, other)
    with everything(lab):
        if how == "host cut off":
            cable(lab, active, "down")
        else:
            keepers[active].kill()
        until(keepers[other].has_vip, "the other front has the VIP")
    assert told(lab, other)["who_has_found"] - before["who_has_found"] >= 10
