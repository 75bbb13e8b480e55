"""Upstreams that send anything at all. Whatever comes: the call ends, with an answer or with one of the provider's reasons;
no socket stays; and the next call gets its own answer."""

import asyncio
import gzip
import itertools
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError

REASONS = {
    Reason.PROVIDER_UNREACHABLE,
    Reason.PROVIDER_INVALID_ANSWER,
    Reason.PROVIDER_STREAM_CUT,
    Reason.PROVIDER_TIMEOUT,
}
HEAD = b"HTTP/1.1 200 OK\r\n"
LENGTH = HEAD + b"content-type: application/json\r\ncontent-length: 13\r\n\r\n" + b'{"id":"first"}'[:13]
CHUNKED = HEAD + b'transfer-encoding: chunked\r\n\r\n6\r\ndata: \r\n3;x="y"\r\na\n\n\r\n0\r\nt: u\r\n\r\n'
GZIPPED = gzip.compress(b"data: a\n\n" * 20)
CODED = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(GZIPPED) + GZIPPED
SEEDS = [LENGTH, CHUNKED, CODED, HEAD + b"\r\nuntil the end", b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH]

# What has broken clients, or let one answer be read as two. Each is sent whole and byte by byte.
CORPUS = {
    "nothing": b"",
    "blank lines": b"\r\n" * 50,
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "tls": b"\x15\x03\x01\x00\x02\x02\x46",
    "http/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80",
    "half a line": b"HTTP/1.1 2",
    "half a head": HEAD + b"content-le",
    "both framings": HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "both framings turned": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"content-length: -1\r\n\r\nabc",
    "huge length": HEAD + b"content-length: 99999999999999999999\r\n\r\nabc",
    "long length": HEAD + b"content-length: 9223372036854775807\r\n\r\nabc",
    "two lengths": HEAD + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "a list of lengths": HEAD + b"content-length: 3, 3\r\n\r\nabc",
    "folded": HEAD + b"x: a\r\n b\r\ncontent-length: 3\r\n\r\nabc",
    "folded length": HEAD + b"content-length:\r\n 3\r\n\r\nabc",
    "nul": HEAD + b"x: a\0b\r\ncontent-length: 3\r\n\r\nabc",
    "bare cr": HEAD + b"x: a\rb: c\r\ncontent-length: 3\r\n\r\nabc",
    "bare lf": HEAD + b"x: a\nb: c\r\ncontent-length: 3\r\n\r\nabc",
    "odd coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "coding twice": HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
    "interim with a body": b"HTTP/1.1 100 Continue\r\ncontent-length: 3\r\n\r\nabc" + LENGTH,
    "204 with a body": b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\nabc",
    "304 with a body": b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 What\r\ncontent-length: 3\r\n\r\nabc",
    "two answers": LENGTH + b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled",
    "garbage behind": LENGTH + b"\x00\xff garbage",
    "too short": HEAD + b"content-length: 30\r\n\r\nabc",
    "bad chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
    "signed chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    "endless chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\nabc",
    "chunk without its end": HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "no last chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "half a last chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    "lying gzip": HEAD + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    "half a gzip": HEAD + b"content-encoding: gzip\r\ncontent-length: 20\r\n\r\n" + GZIPPED[:20],
    "unknown coding": HEAD + b"content-encoding: br\r\ncontent-length: 3\r\n\r\nabc",
    "coded twice": HEAD + b"content-encoding: gzip, gzip\r\ncontent-length: 3\r\n\r\nabc",
}
WHOLE = {"204 with a body", "304 with a body", "status 999", "two answers", "garbage behind"}


def hostile(pieces: list[bytes], *, closes: bool):
    """A server that answers its first request with `pieces`, and every other with that request's own body."""

    async def talk(visit):
        if visit.number == 1:
            await visit.request()
            await visit.say(*pieces)
            if closes:
                visit.close()
                return
        while True:
            _, body = await visit.request()
            await visit.say(HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body))

    return talk


async def meet(rig, pieces: list[bytes], *, closes: bool = True, **timeouts: float) -> tuple[int, bytes] | Reason:
    """How the first call ended, after the second was seen to get its own answer."""
    async with rig(hostile(pieces, closes=closes), **timeouts) as it:
        try:
            outcome: tuple[int, bytes] | Reason = await it.ask(b"first")
        except RunestoneError as error:
            outcome = error.reason
        assert isinstance(outcome, tuple) or outcome in REASONS
        await it.until_played()
        assert await it.ask(b"second") == (200, b"second")
        return outcome


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("step", [1, 1 << 20], ids=["byte by byte", "whole"])
async def test_every_broken_answer_has_a_reason(rig, name, step):
    data = CORPUS[name]
    outcome = await meet(rig, [data[start : start + step] for start in range(0, len(data), step)])
    assert isinstance(outcome, Reason) is (name not in WHOLE)
    assert outcome not in {(200, b"smuggled"), Reason.PROVIDER_TIMEOUT}


@pytest.mark.parametrize("name", ["nothing", "half a head", "too short", "no last chunk", "long length"])
async def test_an_upstream_that_goes_silent_is_a_timeout(rig, name):
    has_head = b"\r\n\r\n" in CORPUS[name]
    limit = {"idle": 0.05} if has_head else {"first_byte": 0.05}  # the other one is a minute
    assert await meet(rig, [CORPUS[name]], closes=False, **limit) is Reason.PROVIDER_TIMEOUT


async def test_an_upstream_that_drips_a_head_for_ever_is_a_first_byte_timeout(rig):
    """Slowloris the other way round: each byte comes in time, the answer never."""

    async def drip(visit):
        await visit.request()
        await visit.say(HEAD + b"x: ")
        while True:
            await visit.say(b"y")
            await asyncio.sleep(0.002)

    async with rig(drip, first_byte=0.1, idle=10.0) as it:
        with pytest.raises(RunestoneError, match="first-byte timeout"):
            await it.ask()


async def test_an_upstream_that_drips_a_body_for_ever_is_a_total_timeout(rig):
    async def drip(visit):
        await visit.request()
        await visit.say(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        while True:
            await visit.say(b"1\r\nx\r\n")
            await asyncio.sleep(0.002)

    async with rig(drip, idle=10.0, total=0.1) as it:
        with pytest.raises(RunestoneError, match="total timeout"):
            await it.ask()


async def test_a_bomb_is_refused_at_the_bound_and_not_behind_it(rig):
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    head = HEAD + b"content-encoding: deflate\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    assert await meet(rig, [head, bomb]) is Reason.PROVIDER_INVALID_ANSWER


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good answer with bytes taken out, put in, or doubled."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        middle = draw(st.one_of(st.binary(max_size=6), st.just(data[place : place + length] * 2)))
        data = data[:place] + middle + data[place + length :]
    return data


@settings(max_examples=300)
@given(data=st.one_of(damaged(), st.binary(max_size=200)), places=st.lists(st.integers(0, 500), max_size=5))
@example(data=LENGTH + LENGTH, places=[len(LENGTH)])
def test_no_damage_makes_a_call_hang_leak_or_hear_anothers_answer(play, data, places):
    play(meet, cut(data, places))


@settings(max_examples=200)
@given(seed=st.sampled_from(SEEDS), places=st.lists(st.integers(0, 500), max_size=6))
def test_good_answers_are_good_however_they_are_cut(play, seed, places):
    outcome = play(meet, cut(seed, places))
    body = {LENGTH: b'{"id":"first"', CHUNKED: b"data: a\n\n", CODED: b"data: a\n\n" * 20, SEEDS[3]: b"until the end"}
    assert outcome == (200, body.get(seed, b'{"id":"first"'))


@settings(max_examples=150)
@given(seed=st.sampled_from([LENGTH, CHUNKED, CODED]), place=st.integers(0, 10_000))
def test_an_answer_that_breaks_off_at_any_byte_is_never_whole(play, seed, place):
    assert isinstance(play(meet, [seed[: place % len(seed)]]), Reason)
