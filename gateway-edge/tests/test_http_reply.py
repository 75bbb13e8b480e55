"""What is sent of an answer is sent once, and nothing behind its end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.door.reply import HttpReply
from gateway_edge.http1.request import Request

EVENT = b"data: 1\n\n"


class SlowClient:
    """A connection that takes what it is given, and waits for its reader while it `is_choked`."""

    keeps_alive = True

    def __init__(self) -> None:
        self.written = b""
        self.is_aborted = False
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def write(self, data: bytes) -> None:
        self.written += data
        await self.may_go_on.wait()

    def abort(self) -> None:
        self.is_aborted = True


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
    assert client.is_aborted and not reply.is_whole


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
