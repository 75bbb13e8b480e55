"""The parser alone: any bytes, cut anywhere, become one answer or a fault, and nothing else."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.http1.faults import ClosedEarly, Malformed, WireFault
from provider_svc.http1.reply import MAX_HEAD, Headers, Reply

HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"content-length: 5\r\n\r\nhello"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nchecksum: 1\r\n\r\n"
UNTIL_CLOSE = HEAD + b"x: y\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 9\r\n\r\n"


def read(*pieces: bytes, ends: bool = False) -> tuple[Reply, bytes, WireFault | None]:
    """The reply, its body and what went wrong, having been fed the pieces and perhaps the connection's end."""
    reply, body, fault = Reply(), b"", None
    try:
        for piece in pieces:
            reply.feed(piece)
            body += reply.take()
        if ends:
            reply.feed_end()
    except WireFault as exc:
        fault = exc
    return reply, body + reply.take(), fault


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


PLACES = st.lists(st.integers(0, 10_000), max_size=8)


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, UNTIL_CLOSE], ids=["length", "chunked", "close"])
@pytest.mark.parametrize("interim", [b"", INTERIM, INTERIM * 3])
@given(places=PLACES)
def test_an_answer_is_the_same_however_it_is_cut(framing, interim, places):
    reply, body, fault = read(*cut(interim + framing, places), ends=framing is UNTIL_CLOSE)
    assert fault is None
    assert (reply.status, body, reply.is_whole, reply.size) == (200, b"hello", True, 0)
    assert reply.keeps_alive is (framing is not UNTIL_CLOSE)
    assert b"link" not in reply.fields  # an interim answer's
    assert b"checksum" not in reply.fields  # a trailer


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, INTERIM + LENGTH])
@given(place=st.integers(0, 10_000))
def test_an_answer_that_breaks_off_anywhere_is_never_whole(framing, place):
    reply, body, fault = read(framing[: place % len(framing)], ends=True)
    assert isinstance(fault, ClosedEarly)
    assert not reply.is_whole
    assert b"hello".startswith(body)


@given(st.one_of(st.binary(max_size=400), st.builds(lambda rest: HEAD + rest, st.binary(max_size=400))), PLACES)
def test_any_bytes_are_an_answer_or_a_fault(data, places):
    reply, _, fault = read(*cut(data, places), ends=True)
    assert (fault is None) is reply.is_whole
    assert reply.keeps_alive is False  # it ended


@given(st.binary(min_size=1, max_size=3), st.integers(0, len(CHUNKED)), st.integers(0, 3), PLACES)
def test_damage_anywhere_never_escapes_as_anything_but_a_fault(bytes_put_in, place, taken_out, places):
    data = CHUNKED[:place] + bytes_put_in + CHUNKED[place + taken_out :]
    reply, _, fault = read(*cut(data, places), ends=True)
    assert fault is not None or reply.is_whole


@pytest.mark.parametrize(
    "fields",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 5",
        b"content-length: 5\r\ncontent-length: 5",
        b"content-length: 5\r\ncontent-length: 6",
        b"content-length: 5, 5",
        b"content-length: -5",
        b"content-length: +5",
        b"content-length: 5 5",
        b"content-length: 0x5",
        b"content-length: five",
        b"content-length:",
        b"content-length: 18446744073709551616",
        b"transfer-encoding: gzip",
        b"transfer-encoding: gzip, chunked",
        b"transfer-encoding: chunked, chunked",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity",
        b"transfer-encoding: \x0bchunked",
        b"folded: a\r\n b",
        b"nul: a\0b",
        b"bare-cr: a\rb",
        b"bare-lf: a\nb: c",
        b"space : a",
        b": nameless",
        b"colonless",
        b"\xff: a",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_headers_that_two_parties_could_read_differently_are_refused(fields, step):
    """Each of these has been a way to smuggle one answer inside another (RFC 9112, sections 5.1, 5.2, 6.1, 6.3, 11.2)."""
    data = HEAD + fields + b"\r\n\r\nhello"
    reply, body, fault = read(*(data[start : start + step] for start in range(0, len(data), step)))
    assert isinstance(fault, Malformed)
    assert (reply.has_head, body) == (False, b"")


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/2.0 200 OK",
        b"HTTP/0.9 200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 -20 OK",
        b"HTTP/1.1 abc OK",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade",
        b"HTTP/1.1 101 Switching Protocols",
        b"GET / HTTP/1.1",
        b"SSH-2.0-OpenSSH_9.2",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
    ],
)
def test_what_is_no_answer_to_a_plain_request_is_refused(line):
    _, body, fault = read(line + b"\r\ncontent-type: a\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert isinstance(fault, Malformed)
    assert body == b""


@pytest.mark.parametrize(
    "chunks",
    [
        b"g\r\nhello",
        b"0x5\r\nhello",
        b"-5\r\nhello",
        b"5 \r\nhello",
        b"\r\nhello",
        b"10000000000000000\r\nhello",
        b"5\nhello",
        b"5\r\nhelloX",
        b"5\r\nhello\r\n5",
        b"0\r\nnul: \0\r\n\r\n",
        b"0\r\ncontent-length: 5\r\n\r\n",
    ],
)
def test_broken_chunks_end_the_answer_behind_what_came_before(chunks):
    reply, body, fault = read(HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n" + chunks, ends=True)
    assert fault is not None
    assert reply.has_head
    assert not reply.is_whole
    assert body.startswith(b"abc")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("fields", [b"", b"content-length: 5\r\n"])
def test_what_has_no_body_by_its_status_has_none_whatever_it_says(status, fields):
    reply, body, fault = read(b"HTTP/1.1 %d X\r\n%b\r\nhello" % (status, fields))
    assert (fault, body, reply.is_whole) == (None, b"", True)
    assert not reply.keeps_alive  # "hello" came behind it


@pytest.mark.parametrize("surplus", [b"X", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"\0" * 9, LENGTH])
@pytest.mark.parametrize("is_apart", [True, False])
def test_bytes_behind_an_answer_are_not_its_own_and_cost_the_connection(surplus, is_apart):
    reply, body, fault = read(*([LENGTH, surplus] if is_apart else [LENGTH + surplus]))
    assert (fault, reply.status, body, reply.is_whole) == (None, 200, b"hello", True)
    assert not reply.keeps_alive


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nconnection: x, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
    ],
)
def test_the_connection_stays_where_both_sides_want_it(head, keeps):
    reply, _, fault = read(head + b"content-length: 5\r\n\r\nhello")
    assert (fault, reply.is_whole, reply.keeps_alive) == (None, True, keeps)


@pytest.mark.parametrize(
    "flood",
    [
        HEAD + b"x: " + b"a" * (2 * MAX_HEAD),
        HEAD + b"a" * (2 * MAX_HEAD),
        HEAD + b"".join(b"x%d: y\r\n" % number for number in range(10_000)),
        HEAD + b"a:\r\n" * 20_000,
        HEAD[:-2] + b"!" * (2 * MAX_HEAD),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
        HEAD + b"transfer-encoding: chunked\r\n\r\n5;" + b"x" * (2 * MAX_HEAD),
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"y" * (2 * MAX_HEAD),
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 20_000,
        b"\r\n" * MAX_HEAD * 2,
    ],
    ids=["value", "name", "headers", "empty", "reason", "interim", "extension", "trailer", "trailers", "blank"],
)
@pytest.mark.parametrize("step", [100, 1 << 18])
def test_floods_are_refused_before_they_are_large(flood, step):
    reply, fed = Reply(), 0
    with pytest.raises(Malformed, match="too large"):
        for start in range(0, len(flood), step):
            reply.feed(flood[start : start + step])
            fed += step
    assert fed <= 2 * MAX_HEAD + step


def test_a_stream_of_the_smallest_chunks_is_no_flood():
    reply, body = Reply(), b""
    reply.feed(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for _ in range(50_000):
        reply.feed(b"1\r\nx\r\n")
        body += reply.take()
    assert body == b"x" * 50_000


@pytest.mark.parametrize("whole", [LENGTH, CHUNKED])
def test_size_counts_what_nobody_has_taken(whole):
    reply = Reply()
    reply.feed(whole)
    assert (reply.size, reply.take(), reply.size, reply.take()) == (5, b"hello", 0, b"")


def test_headers_match_in_any_case_and_repeated_ones_are_one():
    reply, _, _ = read(HEAD + b"X-Id: a\r\nx-id: b\r\nEmpty:\r\nLatin: \xe9\r\ncontent-length: 0\r\n\r\n")
    headers = Headers(reply.fields)
    assert (headers["x-ID"], headers["empty"], headers["latin"]) == ("a, b", "", "é")
    assert (headers.get("none"), headers.get("\u20ac")) == (None, None)
    assert set(headers) == {"x-id", "empty", "latin", "content-length"}


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [(b"timeout=5, max=100", 5.0), (b"max=100, Timeout = 7", 7.0), (b"max=1", None), (b"timeout=x", None)],
)
def test_how_long_the_server_keeps_a_connection_is_what_it_says(hint, seconds):
    reply, _, _ = read(HEAD + b"keep-alive: " + hint + b"\r\ncontent-length: 0\r\n\r\n")
    assert reply.idle_limit == seconds
