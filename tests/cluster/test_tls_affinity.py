"""tls-affinity: a client and server name stay on one node, sessions resume there, unless it has too much to do."""

import contextlib
import ssl

import pytest

from labs import Lab, VIP, until

T_HIGH = 65  # connections of a node of mean weight, from which on it may give some away


@pytest.fixture(name="lab")
def small_lab():
    lab = Lab("affine", "-n", 2)
    try:
        lab.baton("service", "set", "secure", "--policy", "tls-affinity", "--window", "1h")
        yield lab
    finally:
        lab.down()


def secure(lab, context, name, session=None):
    """A connection on which one request has been answered, and the node that did."""
    connection = lab.connect(VIP, 443)
    connection.file.close()
    connection.socket = context.wrap_socket(connection.socket, server_hostname=name, session=session)
    connection.file = connection.socket.makefile("rb")
    return connection, connection.get("/t/x").node


def loads(lab):
    return {node["name"]: node["load"]["in_service"] for node in lab.status()["nodes"]}


def test_it_yields_when_its_node_is_overloaded(lab):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # which gives the session with the handshake
    with contextlib.ExitStack() as stack:
        connection, own = secure(lab, context, "a.example.org")
        stack.enter_context(connection)
        for _ in range(T_HIGH):
            session = connection.socket.session
            connection, node = secure(lab, context, "a.example.org", session)
            stack.enter_context(connection)
            assert node == own and connection.socket.session_reused
        # Every open connection weighs, seen a request on it or not.
        until(lambda: loads(lab)[own] > T_HIGH, "its connections are counted")
        other = ({"node1", "node2"} - {own}).pop()
        assert loads(lab)[other] < 25
        for _ in range(3):
            connection, node = secure(lab, context, "a.example.org")
            stack.enter_context(connection)
            assert node == other
    until(lambda: loads(lab)[own] == 0, "closed connections weigh nothing")
    # It stays where it has gone.
    connection, node = secure(lab, context, "a.example.org")
    connection.close()
    assert node == other
