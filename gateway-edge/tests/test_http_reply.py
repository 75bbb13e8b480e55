"""What is sent of an answer is sent once, and nothing behind its end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.door.reply import HttpReply
from gateway_edge.endpoints.voice import Voice
from gateway_edge.endpoints.voices import ANTHROPIC, OPENAI, RESPONSES
from gateway_edge.http1.request import Request

EVENT = b"data: 1\n\n"


class SlowClient:
    """A connection that takes what it is given, and waits for its reader while it `is_choked`."""

    keeps_alive = True

    def __init__(self) -> None:
        self.written = b""
        self.is_cut = False
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def write(self, data: bytes) -> None:
        self.written += data
        await self.may_go_on.wait()

    def cut(self) -> None:
        self.is_cut = True


@pytest.fixture
def client() -> SlowClient:
    return SlowClient()


@pytest.fixture
def reply(client: SlowClient) -> HttpReply:
    return HttpReply(Request("POST", "/"), client, lambda: "door;dur=0")


async def end_late(reply: HttpReply, client: SlowClient, ending: Awaitable[None]) -> None:
    """The deadline passes while the end of an answer waits for its reader."""
    client.may_go_on.clear()
    task = asyncio.ensure_future(ending)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reply.fail(RunestoneError(Reason.DEADLINE_EXCEEDED, "too late"))


@pytest.mark.parametrize("end", [lambda reply: reply.send(b"{}"), lambda reply: reply.close()], ids=["send", "close"])
async def test_behind_an_end_that_waits_for_its_reader_no_error_stands(
    reply: HttpReply, client: SlowClient, end: Callable[[HttpReply], Awaitable[None]]
) -> None:
    """It would be read as the beginning of the next answer. The client is cut off instead."""
    await end_late(reply, client, end(reply))
    assert b"too late" not in client.written
    assert client.is_cut and not reply.is_whole


async def test_a_document_behind_the_beginning_of_a_stream_is_a_fault(reply: HttpReply, client: SlowClient) -> None:
    await reply.write(EVENT)
    with pytest.raises(RuntimeError, match="a stream has begun"):
        await reply.send(b"{}")
    await reply.fail(RunestoneError(Reason.INTERNAL, "crashed"))
    assert client.written.count(b"HTTP/1.1") == 1 and client.written.endswith(b"}}\n\n\r\n0\r\n\r\n")


@pytest.mark.parametrize("ended", ["sent", "closed", "failed"])
async def test_nothing_follows_the_end(reply: HttpReply, client: SlowClient, ended: str) -> None:
    if ended == "sent":
        await reply.send(b"{}")
    else:
        await reply.write(EVENT)
        await (reply.close() if ended == "closed" else reply.fail(RunestoneError(Reason.INTERNAL, "crashed")))
    whole = client.written
    await reply.write(EVENT)
    await reply.send(b"{}")
    await reply.close()
    await reply.fail(RunestoneError(Reason.INTERNAL, "crashed"))
    assert client.written == whole and reply.is_whole


# Bodies that are neither JSON nor events.

CHUNKED = b"transfer-encoding: chunked\r\n"
FAILED = RunestoneError(Reason.PROVIDER_STREAM_CUT, "it broke off")


async def test_a_body_in_parts_has_its_own_content_type_and_ends_whole(reply: HttpReply, client: SlowClient) -> None:
    await reply.begin("audio/mpeg")
    assert client.written == b"" and not reply.has_begun
    await reply.write(b"\xff\xfb")
    await reply.write(b"\x90")
    await reply.close()
    head, _, body = client.written.partition(b"\r\n\r\n")
    assert b"content-type: audio/mpeg" in head and CHUNKED in head + b"\r\n" and b"x-accel-buffering" not in head
    assert body == b"2\r\n\xff\xfb\r\n1\r\n\x90\r\n0\r\n\r\n" and reply.is_whole


async def test_a_body_in_parts_may_be_empty(reply: HttpReply, client: SlowClient) -> None:
    await reply.begin("text/plain")
    await reply.close()
    assert b"content-type: text/plain" in client.written and client.written.endswith(b"\r\n\r\n0\r\n\r\n")


async def test_a_body_that_fails_behind_its_first_byte_is_cut_and_never_ends(
    reply: HttpReply, client: SlowClient
) -> None:
    """An error would be played as sound, an end would make it look whole."""
    await reply.begin("audio/mpeg")
    await reply.write(b"\xff\xfb")
    await reply.fail(FAILED)
    assert client.is_cut and not reply.is_whole
    assert client.written.endswith(b"2\r\n\xff\xfb\r\n")


async def test_a_body_that_fails_before_its_first_byte_is_an_error_like_any_other(
    reply: HttpReply, client: SlowClient
) -> None:
    await reply.begin("audio/mpeg")
    await reply.fail(FAILED)
    assert client.written.startswith(b"HTTP/1.1 502 ") and b"application/json" in client.written
    assert reply.is_whole and not client.is_cut


async def test_an_answer_that_has_begun_becomes_no_other(reply: HttpReply) -> None:
    await reply.write(EVENT)
    with pytest.raises(RuntimeError, match="has begun"):
        await reply.begin("audio/mpeg")


@pytest.mark.parametrize(
    ("voice", "last"),
    [
        (OPENAI, b'data: {"error"'),
        (RESPONSES, b'event: error\ndata: {"type":"error"'),
        (ANTHROPIC, b'event: error\ndata: {"type":"error"'),
    ],
)
async def test_a_stream_that_fails_ends_in_the_voice_of_its_endpoint(
    client: SlowClient, voice: Voice, last: bytes
) -> None:
    reply = HttpReply(Request("POST", "/"), client, str, voice=voice, call_id="req_1")
    await reply.write(b'event: x\ndata: {"sequence_number": 6}\n\n')
    await reply.fail(FAILED)
    _, _, said = client.written.rpartition(b"\r\n" + last)
    assert said.endswith(b"\r\n0\r\n\r\n")
    if voice is RESPONSES:
        assert b'"sequence_number":7}' in said


async def test_pings_are_those_of_the_endpoint(client: SlowClient) -> None:
    reply = HttpReply(Request("POST", "/"), client, str, voice=ANTHROPIC, ping_interval=0.001)
    client.write_aside = lambda data: setattr(client, "written", client.written + data)  # type: ignore[attr-defined]
    reply.expect_events()
    async with asyncio.timeout(5):
        while not client.written:
            await asyncio.sleep(0.001)
    reply.stop_pinging()
    assert ANTHROPIC.ping in client.written and ANTHROPIC.ping.startswith(b"event: ping\n")
