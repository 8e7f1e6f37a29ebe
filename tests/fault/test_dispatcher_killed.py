"""The dispatcher's daemon killed under load: the program goes on deciding by what it knows."""

import pytest

from faults import Clients, kill, whole
from labs import Lab, until


@pytest.fixture(name="lab", scope="module", params=["lard", "ds"])
def lab_of_policy(request):
    lab = Lab("decides", "-n", 3, "--policy", request.param)
    yield lab
    lab.down()


def test_no_client_sees_an_error(lab):
    clients = Clients(lab, 4)
    try:
        clients.go_on()
        before = lab.status()["front"]
        kill(lab, "front")
        clients.go_on()
        until(lambda: whole(lab), "the new daemon has found its nodes")
        # The counters are the program's, which is the same one.
        middle = lab.status()["front"]
        assert middle["asks"] > before["asks"] > 0
        kill(lab, "node2")
        clients.go_on()
        kill(lab, "front")
        clients.go_on()
        until(lambda: whole(lab), "the new daemon has found its nodes")
        assert lab.status()["front"]["asks"] > middle["asks"]
    finally:
        clients.stop()
