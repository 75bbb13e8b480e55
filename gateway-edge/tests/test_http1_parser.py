"""Bytes to requests: what is read, what is refused, and that neither depends on how the bytes were cut."""

from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway_edge.http1.parser import MAX_FIELDS, MAX_HEAD, MAX_PIPELINED, RequestParser
from gateway_edge.http1.request import Request

HOST = b"host: x\r\n"
POST = b"POST /v1/a?b=c HTTP/1.1\r\nHost: x\r\nX-Odd:  a b \r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\ntrailer: t\r\n\r\n"
)
GET = b"GET /%76 HTTP/1.0\r\n\r\n"


def parse(*pieces: bytes) -> list[Request]:
    parser = RequestParser()
    for piece in pieces:
        parser.feed(piece)
    return list(parser.ready)


def test_a_request_is_read() -> None:
    (request,) = parse(POST)
    assert (request.method, request.path, request.query, request.is_whole) == ("POST", "/v1/a", "b=c", True)
    assert request.headers == {"host": "x", "x-odd": "a b", "content-length": "5"}
    assert request.take() == b"hello"
    assert request.fault is None
    assert request.keeps_alive


@given(st.sets(st.integers(1, len(POST + CHUNKED + GET) - 1)))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: set[int]) -> None:
    sent = POST + CHUNKED + GET
    borders = [0, *sorted(cuts), len(sent)]
    requests = parse(*(sent[start:end] for start, end in pairwise(borders)))
    assert [(request.path, request.take(), request.is_whole, request.keeps_alive) for request in requests] == [
        ("/v1/a", b"hello", True, True),
        ("/c", b"hello", True, True),
        ("/v", b"", True, False),
    ]


@given(st.lists(st.binary(max_size=200), max_size=8), st.sampled_from([b"", POST[:40], CHUNKED[:60], POST[:-2]]))
def test_no_bytes_crash_it_and_a_fault_is_the_last_request(pieces: list[bytes], start: bytes) -> None:
    requests = parse(start, *pieces)
    faults = [index for index, request in enumerate(requests) if request.fault is not None]
    assert all(not requests[index].keeps_alive for index in faults)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
        b"GET http://x/ HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nauthorization: a\r\nAuthorization: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3, 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"h%d: 1\r\n" % n for n in range(MAX_FIELDS)) + b"\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbig: " + b"b" * MAX_HEAD + b"\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_or_not_at_all_is_refused(sent: bytes) -> None:
    (request, *_) = parse(sent)
    assert request.fault is not None
    assert request.fault.reason.name == "INVALID_REQUEST"
    assert not request.keeps_alive


def test_a_head_without_end_is_refused_before_it_is_large() -> None:
    parser = RequestParser()
    parser.feed(b"GET / HTTP/1.1\r\nbig: ")
    for _ in range(MAX_HEAD // 1000 + 2):
        parser.feed(b"b" * 1000)
    assert parser.is_over
    assert parser.ready[0].fault is not None


def test_an_url_without_end_is_refused_before_it_is_large() -> None:
    parser = RequestParser()
    parser.feed(b"GET /")
    for _ in range(MAX_HEAD // 1000 + 2):
        parser.feed(b"b" * 1000)
    assert parser.is_over


def test_trailers_are_bounded_and_change_nothing() -> None:
    parser = RequestParser()
    parser.feed(CHUNKED.replace(b"trailer: t", b"authorization: t"))
    (request,) = parser.ready
    assert "authorization" not in request.headers
    parser.feed(CHUNKED.removesuffix(b"\r\n") + b"t: t\r\n" * MAX_FIELDS)
    assert not parser.is_over
    parser.feed(b"t: t\r\n")
    assert parser.is_over


def test_a_broken_body_spoils_its_request() -> None:
    parser = RequestParser()
    parser.feed(CHUNKED[:60])
    (request,) = parser.ready
    assert request.fault is None
    parser.feed(b"\r\nzz\r\n")
    assert request.fault is not None


def test_requests_that_wait_are_bounded() -> None:
    parser = RequestParser()
    parser.feed(GET.replace(b"1.0\r\n", b"1.1\r\nhost: x\r\n") * (MAX_PIPELINED + 1))
    assert parser.is_over
    assert len(parser.ready) == MAX_PIPELINED + 1


ASKS_FOR_ANOTHER = b"POST /u?q HTTP/1.1\r\nhost: x\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n"


@pytest.mark.parametrize("body", [b"", b"hello"], ids=["without a body", "with a body"])
def test_an_upgrade_that_is_not_offered_is_ignored(body: bytes) -> None:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    upgraded = parse(ASKS_FOR_ANOTHER + length + b"\r\n" + body + POST)[0]
    assert (upgraded.path, upgraded.query, upgraded.take(), upgraded.is_whole) == ("/u", "q", body, True)
    assert upgraded.fault is None
    assert "upgrade" not in upgraded.headers or not body
    assert not upgraded.keeps_alive


def test_what_follows_an_upgrade_is_nobodys_request() -> None:
    parser = RequestParser()
    parser.feed((ASKS_FOR_ANOTHER + b"\r\n") * 4000)
    assert parser.is_over
    assert len(parser.ready) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\nhost: y\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\nauthorization: a\r\nauthorization: b\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\n" + b"h: 1\r\n" * MAX_FIELDS,
        b"CONNECT / HTTP/1.1\r\nhost: x\r\n",
    ],
)
def test_an_upgrade_does_not_hide_what_is_wrong(head: bytes) -> None:
    (request, *_) = parse(head + b"connection: upgrade\r\nupgrade: x\r\ncontent-length: 5\r\n\r\nhello" + POST)
    assert request.fault is not None
    assert not request.keeps_alive


def test_an_upgrade_does_not_bring_chunks_into_http_1_0() -> None:
    head = b"POST / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: x\r\ntransfer-encoding: chunked\r\n\r\n"
    (request, *_) = parse(head + b"0\r\n\r\n")
    assert request.fault is not None


def test_a_tunnel_is_refused_with_all_that_comes_in_it() -> None:
    requests = parse(b"CONNECT /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(POST) + POST)
    assert [request.fault is not None for request in requests] == [True]


def test_bytes_that_are_no_utf_8_survive_in_a_header() -> None:
    (request,) = parse(b"GET / HTTP/1.1\r\nhost: x\r\nx-odd: \xff\r\n\r\n")
    assert request.headers["x-odd"].encode("utf-8", "surrogateescape") == b"\xff"
