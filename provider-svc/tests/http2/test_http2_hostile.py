"""What is not HTTP/2, or too much of it, ends the connection and no more."""

import asyncio
from contextlib import suppress

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from http2.stage import ask, echo
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, SettingsFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.http1.faults import Malformed
from provider_svc.http2.dialogue import Dialogue
from provider_svc.http2.frames import Goaway, Sieve
from provider_svc.http2.heads import SECRET, translate_head

BAD = {
    "garbage": b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    "data on a stream that nobody opened": DataFrame(99, b"x").serialize(),
    "headers that cannot be unpacked": HeadersFrame(1, b"\xff\xff\xff\xff\xff", flags=["END_HEADERS"]).serialize(),
    "a window beyond its bound": WindowUpdateFrame(0, window_increment=2**31 - 1).serialize() * 2,
    "settings on a stream": b"\x00\x00\x00\x04\x00\x00\x00\x00\x01",
    "a frame that is too large": b"\x7f\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 70_000,
    "pings without end": PingFrame(0, b"12345678").serialize() * 20_000,
    "settings without end": SettingsFrame(0, settings={4: 70_000}).serialize() * 20_000,
    "a goaway that is too small": b"\x00\x00\x01\x07\x00\x00\x00\x00\x00x",
    "a goaway that is too large": b"\x0f\xff\xff\x07\x00\x00\x00\x00\x00",
    "names in capitals": HeadersFrame(1, b"\x88\x00\x03Bad\x01x", flags=["END_HEADERS"]).serialize(),
}


@pytest.mark.parametrize("what", BAD)
async def test_what_is_not_http_2_is_an_invalid_answer_and_ends_the_connection(serving, what):
    async def misbehave(asked):
        if len(server.visits) == 1:
            asked.visit.raw(BAD[what])
        else:
            await echo(asked)

    async with serving(misbehave) as (server, upstream):
        with pytest.raises(RunestoneError) as caught:
            await ask(upstream)
        assert caught.value.reason is Reason.PROVIDER_INVALID_ANSWER
        assert "http2" not in caught.value.message.lower()
        async with asyncio.timeout(5):
            await server.visits[0].is_over.wait()
        assert await ask(upstream) == (200, b"{}")


async def test_a_status_that_is_none_is_an_invalid_answer(serving):
    async def invent(asked):
        asked.visit.h2.config.validate_outbound_headers = False
        asked.visit.h2.send_headers(asked.number, [(b":status", b"fine")])
        asked.visit.flush()

    async with serving(invent) as (_, upstream):
        with pytest.raises(RunestoneError) as caught:
            await ask(upstream)
    assert caught.value.reason is Reason.PROVIDER_INVALID_ANSWER


async def test_heads_that_are_too_large_are_an_invalid_answer(serving):
    async def boast(asked):
        asked.head(**{f"x-{number}": "x" * 900 for number in range(100)})

    async with serving(boast) as (_, upstream):
        with pytest.raises(RunestoneError) as caught:
            await ask(upstream)
    assert caught.value.reason is Reason.PROVIDER_INVALID_ANSWER


def test_what_is_secret_is_in_nobodys_table_and_what_is_the_connections_stays():
    head = b"POST /v1/x HTTP/1.1\r\nhost: a:1\r\nAuthorization: Bearer k\r\nx-api-key: k\r\nconnection: close\r\naccept: */*\r\n\r\n"
    fields = translate_head(head)
    assert [tuple(field) for field in fields] == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"a:1"),
        (b":path", b"/v1/x"),
        (b"authorization", b"Bearer k"),
        (b"x-api-key", b"k"),
        (b"accept", b"*/*"),
    ]
    assert {field[0] for field in fields if not field.indexable} == {b"authorization", b"x-api-key"} <= SECRET


GOAWAY = st.integers(0, 2**31 - 1).map(
    lambda last: (b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + last.to_bytes(4, "big") + bytes(4), last)
)
OTHER = st.binary(max_size=40).map(lambda data: (DataFrame(1, data).serialize(), None))


@given(st.lists(st.one_of(GOAWAY, OTHER), max_size=12), st.lists(st.integers(1, 60), max_size=30))
def test_goaways_are_sifted_out_wherever_the_bytes_are_cut_and_nothing_else_is_touched(frames, cuts):
    data = b"".join(frame for frame, _ in frames)
    sieve, kept, found = Sieve(), b"", []
    for size in [*cuts, len(data)]:
        piece, data = data[:size], data[size:]
        passed, goaways = sieve.sift(piece)
        kept += passed
        found += goaways
    passed, goaways = sieve.sift(data)
    assert kept + passed == b"".join(frame for frame, last in frames if last is None)
    assert found + goaways == [Goaway(last) for _, last in frames if last is not None]


def answers() -> bytes:
    """What a server says in three good answers."""
    client, server = Dialogue(), H2Connection(H2Configuration(client_side=False, header_encoding=None))
    client.open()
    server.initiate_connection()
    said = b""
    for _ in range(3):
        client.most_streams = 100
        number = client.begin(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n", ends=True)
        server.receive_data(client.take_output())
        server.send_headers(number, [(b":status", b"200"), (b"content-type", b"application/json")])
        server.send_data(number, b"x" * 100, end_stream=True)
        said += server.data_to_send()
    return said


ANSWERS = answers()


@given(st.integers(0, len(ANSWERS) - 1), st.binary(min_size=1, max_size=12), st.integers(1, len(ANSWERS)))
def test_damage_is_malformed_or_harmless_and_never_anything_else(place, damage, size):
    """Whatever is wrong with what a server says: no other error leaves the dialogue."""
    damaged = ANSWERS[:place] + damage + ANSWERS[place + len(damage) :]
    dialogue = Dialogue()
    dialogue.open()
    for _ in range(3):
        dialogue.begin(b"POST / HTTP/1.1\r\nhost: a\r\n\r\n", ends=True)
    try:
        for start in range(0, len(damaged), size):
            dialogue.receive(damaged[start : start + size])
    except Malformed:
        assert dialogue.take_output()  # it says goodbye


@given(st.binary(max_size=300))
def test_noise_is_malformed_or_not_yet_a_frame(noise):
    dialogue = Dialogue()
    dialogue.open()
    with suppress(Malformed):
        dialogue.receive(noise)
