"""The front's daemon is killed while it keeps first requests: only what it had acknowledged is lost."""

import pytest

from faults import kill, whole
from labs import Lab, VIP, until, where
from segments import ACK, SegmentClient

HOST = b"\r\nHost: " + VIP.encode() + b"\r\n\r\n"


@pytest.fixture(name="lab", scope="module")
def small_lab():
    lab = Lab("slowkill", "-n", 2)
    yield lab
    lab.down()


def slow(lab):
    return lab.ask(command="status")["front"]["slow"]


def test_killed_with_requests_kept(lab):
    path = "/t/" + "x" * 3000
    request = b"GET " + path.encode() + b" HTTP/1.1" + HOST
    with lab.connect() as idle, SegmentClient(lab) as unheard, SegmentClient(lab, "10.77.0.56") as heard:
        assert idle.get("/t/idle").status == 200
        before = slow(lab)
        # Of this one nothing is acknowledged, of that one more segments came than may go unheard.
        unheard.send(ACK, 0, request[:1300])
        unheard.send(ACK, 1300, request[1300:2600])
        for i in range(10):
            heard.send(ACK, i, b"GET /t/heard"[i:i + 1])
        heard.until(lambda: heard.acked == 10, "an acknowledgement")
        until(lambda: slow(lab)["kept"] == 2, "both are kept")
        assert unheard.acked == 0
        kill(lab, "front")
        until(lambda: whole(lab), "the new daemon has found its nodes")
        # What was not acknowledged a client sends again. What was nobody has any more: an RST, at once.
        for at in (0, 1300, 2600):
            unheard.send(ACK, at, request[at:at + 1300])
        assert unheard.response() == (where(lab, path), path.encode() + b"\n")
        heard.send(ACK, 10, b"heard HTTP/1.1" + HOST)
        heard.until(lambda: heard.ended, "an RST")
        assert heard.stream == b""
        assert idle.get("/t/idle").status == 200
    assert slow(lab)["lost"] == before["lost"] + 1
    # All goes on as before.
    with lab.connect() as connection:
        assert connection.get(path).node == where(lab, path)
