"""What strange requests get: the same through the cluster as from one of its servers asked directly.

The requests are written after what is known of request smuggling (Linhart et al. 2005; Kettle 2019 and later; RFC
9112, sections 3 to 7 and 11.2) and after what HTTP parsers are tested with. Each is sent twice to the cluster, in one
segment and in two, with another request behind it, and once to a node. Statuses, bodies, and how many answers there
are must be equal: a byte that one side takes for body and the other for a request would show."""

import re
import socket

import pytest

from labs import PATIENCE, VIP, VIP6, Lab

NODE = "10.77.0.11"
BEHIND = b"GET /t/behind HTTP/1.1\r\nHost: cluster\r\nConnection: close\r\n\r\n"


def post(fields, body=b""):
    return b"POST /t/post HTTP/1.1\r\nHost: cluster\r\n" + fields + b"\r\n" + body


def get(line=b"GET /t/get HTTP/1.1", fields=b"Host: cluster\r\n"):
    return line + b"\r\n" + fields + b"\r\n"


SMUGGLED = b"GET /t/smuggled HTTP/1.1\r\nHost: cluster\r\n\r\n"
CASES = {
    # Two lengths, or a length and chunks.
    "cl.te": post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG"),
    "te.cl": post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"5c\r\n" + b"x" * 92 + b"\r\n0\r\n\r\n"),
    "cl.te with a request in the body": post(b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n"
                                             % (5 + len(SMUGGLED)), b"0\r\n\r\n" + SMUGGLED),
    "two equal lengths": post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"),
    "two lengths": post(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "a list of lengths": post(b"Content-Length: 3, 3\r\n", b"abc"),
    "length with a sign": post(b"Content-Length: +3\r\n", b"abc"),
    "negative length": post(b"Content-Length: -1\r\n"),
    "length in hexadecimal": post(b"Content-Length: 0x3\r\n", b"abc"),
    "length of no digits": post(b"Content-Length: \r\n"),
    "length beyond 64 bits": post(b"Content-Length: 18446744073709551617\r\n", b"a"),
    "length of 2^63": post(b"Content-Length: 9223372036854775808\r\n", b"a"),
    "length with blanks": post(b"Content-Length:   3  \r\n", b"abc"),
    "length with a tab": post(b"Content-Length:\t3\t\r\n", b"abc"),
    "blank before the colon": post(b"Content-Length : %d\r\n" % len(SMUGGLED), SMUGGLED),
    "length folded": post(b"Content-Length:\r\n 3\r\n", b"abc"),
    "length of GET": get(fields=b"Host: cluster\r\nContent-Length: %d\r\n" % len(SMUGGLED)) + SMUGGLED,
    # Codings.
    "chunked": post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    "chunked in capitals": post(b"Transfer-Encoding: CHUNKED\r\n", b"3\r\nabc\r\n0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    "chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    "gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    "identity": post(b"Transfer-Encoding: identity\r\nContent-Length: 3\r\n", b"abc"),
    "xchunked": post(b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "chunked behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", SMUGGLED),
    "chunked folded": post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"),
    "coding with a blank before the colon": post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    "coding in HTTP/1.0": b"POST /t/post HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunked GET": get(fields=b"Host: cluster\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
    "chunk extensions": post(b"Transfer-Encoding: chunked\r\n", b"3;a=b;c=\"d\r\n\"\r\nabc\r\n0\r\n\r\n"),
    "chunk extension": post(b"Transfer-Encoding: chunked\r\n", b"3;name=value\r\nabc\r\n0\r\n\r\n"),
    "trailers": post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 9\r\n\r\n"),
    "chunk size in capitals with zeros": post(b"Transfer-Encoding: chunked\r\n", b"0000A\r\n0123456789\r\n0\r\n\r\n"),
    "chunk size beyond 64 bits": post(b"Transfer-Encoding: chunked\r\n", b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    "chunk size with a sign": post(b"Transfer-Encoding: chunked\r\n", b"+3\r\nabc\r\n0\r\n\r\n"),
    "chunk without its end": post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk ended by a line feed": post(b"Transfer-Encoding: chunked\r\n", b"3\nabc\n0\n\n"),
    # Lines.
    "bare line feeds": b"GET /t/get HTTP/1.1\nHost: cluster\n\n",
    "bare carriage return": get(fields=b"Host: cluster\r\nX: a\rb\r\n"),
    "empty lines before": b"\r\n\r\n" + get(),
    "folded field": get(fields=b"Host: cluster\r\nX: a\r\n b\r\n"),
    "field without a colon": get(fields=b"Host: cluster\r\nfield\r\n"),
    "field without a name": get(fields=b"Host: cluster\r\n: x\r\n"),
    "field with a zero byte": get(fields=b"Host: cluster\r\nX: a\0b\r\n"),
    "first field indented": b"GET /t/get HTTP/1.1\r\n Host: cluster\r\nHost: cluster\r\n\r\n",
    "two blanks in the line": get(b"GET  /t/get  HTTP/1.1"),
    "tab in the line": get(b"GET\t/t/get\tHTTP/1.1"),
    "method in small letters": get(b"get /t/get HTTP/1.1"),
    "unknown method": get(b"BREW /t/get HTTP/1.1"),
    "method with a dash": get(b"M-SEARCH /t/get HTTP/1.1"),
    "method of many letters": get(b"A" * 40 + b" /t/get HTTP/1.1"),
    "no version": b"GET /t/get\r\n",
    "version 1.0": b"GET /t/get HTTP/1.0\r\n\r\n",
    "version 1.0 kept": b"GET /t/get HTTP/1.0\r\nHost: cluster\r\nConnection: keep-alive\r\n\r\n",
    "version 1.2": get(b"GET /t/get HTTP/1.2"),
    "version 2.0": get(b"GET /t/get HTTP/2.0"),
    "version of another name": get(b"GET /t/get HTTQ/1.1"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    # Targets and hosts.
    "no host": get(fields=b""),
    "two hosts": get(fields=b"Host: cluster\r\nHost: other\r\n"),
    "empty host": get(fields=b"Host:\r\n"),
    "host with a slash": get(fields=b"Host: clus/ter\r\n"),
    "absolute form": get(b"GET http://cluster/t/absolute HTTP/1.1"),
    "absolute form and another host": get(b"GET http://cluster/t/absolute HTTP/1.1", b"Host: other\r\n"),
    "absolute form of https": get(b"GET https://cluster/t/absolute HTTP/1.1"),
    "absolute form without a path": get(b"GET http://cluster HTTP/1.1"),
    "asterisk": get(b"OPTIONS * HTTP/1.1"),
    "authority": get(b"CONNECT cluster:80 HTTP/1.1"),
    "no slash": get(b"GET t/get HTTP/1.1"),
    "above the root": get(b"GET /../../etc/passwd HTTP/1.1"),
    "dots that stay inside": get(b"GET /t/x/../get HTTP/1.1"),
    "escaped": get(b"GET /%74/%67et HTTP/1.1"),
    "bad escape": get(b"GET /t/%zz HTTP/1.1"),
    "escaped zero": get(b"GET /t/%00 HTTP/1.1"),
    "fragment": get(b"GET /t/get#part HTTP/1.1"),
    "query": get(b"GET /t/get?a=b&c=d HTTP/1.1"),
    "bytes above 127": get(b"GET /t/\xff\xfe HTTP/1.1"),
    # Methods and expectations.
    "head": get(b"HEAD /t/get HTTP/1.1"),
    "trace": get(b"TRACE /t/get HTTP/1.1"),
    "options": get(b"OPTIONS /t/get HTTP/1.1"),
    "put": b"PUT /t/get HTTP/1.1\r\nHost: cluster\r\nContent-Length: 3\r\n\r\nabc",
    "delete": get(b"DELETE /t/get HTTP/1.1"),
    "unknown expectation": post(b"Expect: tea\r\nContent-Length: 3\r\n", b"abc"),
    "continue": post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc"),
    "range": get(fields=b"Host: cluster\r\nRange: bytes=0-1\r\n"),
    "ranges": get(fields=b"Host: cluster\r\nRange: bytes=0-0,2-2\r\n"),
    "upgrade": get(fields=b"Host: cluster\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
    "upgrade to h2c": get(fields=b"Host: cluster\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                 b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
    "a body like a request": post(b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "noise": bytes(range(1, 256)) + b"\r\n\r\n",
}


@pytest.fixture(name="lab", scope="module")
def conformance_lab():
    lab = Lab("conform", "-n", 3)
    yield lab
    lab.down()


def exchange(lab, address, parts):
    """All bytes that come back until the end."""
    with lab.inside():
        connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with connection:
        connection.settimeout(PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect((address, 80))
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # a server that closes with bytes unread resets; what it had said until then counts
        return answer


def meaning(answer):
    """Without what differs from node to node and from second to second."""
    answer = re.sub(rb"(?mi)^(X-Node|Date|Last-Modified|ETag): [^\r\n]*\r\n", b"", answer)
    # The boundary of several ranges is a running number.
    return re.sub(rb"\b0000\d{16}\b", b"boundary", answer)


@pytest.mark.parametrize("name", CASES)
def test_same_answers(lab, name):
    request = CASES[name] + BEHIND
    direct = meaning(exchange(lab, NODE, [request]))
    assert meaning(exchange(lab, VIP, [request])) == direct
    assert meaning(exchange(lab, VIP6, [request])) == direct
    middle = len(CASES[name]) // 2
    assert meaning(exchange(lab, VIP, [request[:middle], request[middle:]])) == direct


def test_the_comparison_can_tell(lab):
    """A request that is answered differently is seen as such."""
    assert meaning(exchange(lab, VIP, [get() + BEHIND])) != meaning(exchange(lab, NODE, [BEHIND]))
    assert exchange(lab, VIP, [get() + BEHIND]).count(b"HTTP/1.1 200") == 2
