"""When the reply that a user's middleware put in front breaks, the answer goes past it or ends honestly."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.containment.middleware import OnError
from gateway_edge.middleware.base import Proceed
from gateway_edge.plugin import change_answer
from gateway_edge.reply import PassingReply

Body = Callable[[Call, Proceed], Awaitable[None]]


async def fails(work: Awaitable[None]) -> RunestoneError:
    with pytest.raises(RunestoneError) as failed:
        await work
    return failed.value


class Breaking:
    """A `change` that raises when it is called for the `at`th time."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, data: bytes) -> bytes:
        self.calls += 1
        if self.calls == self.at:
            raise ValueError("broken in a change")
        return data.upper()


def changing(change: Callable[[bytes], bytes]) -> Body:
    async def body(call: Call, proceed: Proceed) -> None:
        change_answer(call, change)
        await proceed(call)

    return body


async def test_a_change_that_breaks_in_the_middle_of_a_stream_lets_the_rest_pass_as_it_is(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    """The event that it broke over is passed on, too, and it is not asked again."""
    call, change = make_call(), Breaking(at=2)
    client = call.reply
    await contain(changing(change), "skip")(call, answering(b"a", b"b", b"c", b"d"))
    assert (client.body, client.is_closed, change.calls, contain.count("skip")) == (b"Abcd", True, 2, 1)


async def test_a_change_that_breaks_in_the_middle_of_a_stream_fails_the_call_where_that_is_said(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    call = make_call()
    client = call.reply
    failed = await fails(contain(changing(Breaking(at=2)), "fail")(call, answering(b"a", b"b", b"c")))
    assert (failed.reason, client.body, client.is_closed) == (Reason.INTERNAL, b"A", False)
    assert contain.count("fail") == 1


@pytest.mark.parametrize("on_error", ["fail", "skip"])
async def test_a_change_that_breaks_over_a_document_sends_it_as_it_is_or_nothing(
    contain: Callable[..., Any], make_call: Callable[..., Call], on_error: OnError
) -> None:
    async def send(call: Call) -> None:
        await call.reply.send(b"{}", "application/json", 201)

    call = make_call()
    client = call.reply
    run = contain(changing(Breaking(at=1)), on_error)(call, send)
    if on_error == "fail":
        await fails(run)
        assert client.body == b""
    else:
        await run
        assert (client.body, client.status) == (b"{}", 201)


class FrontReply:
    """A reply of a user's own that breaks in `close`, before or after it has passed the end on."""

    def __init__(self, inner: Any, *, passes_first: bool) -> None:
        self.inner, self.passes_first, self.headers = inner, passes_first, {}

    async def write(self, events: bytes) -> None:
        await self.inner.write(events)

    async def close(self) -> None:
        if self.passes_first:
            await self.inner.close()
        raise ValueError("broken in close")

    def send(self) -> None:
        """Not what a reply's `send` takes, nor a coroutine."""


class CountingClient:
    """The client's reply: counts its ends."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.ends = 0

    async def write(self, events: bytes) -> None: ...

    async def send(self, body: bytes, content_type: str = "", status: int = 200) -> None:
        self.ends += 1

    async def close(self) -> None:
        self.ends += 1


@pytest.mark.parametrize("passes_first", [False, True])
async def test_a_reply_that_breaks_in_close_ends_the_stream_once(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any], passes_first: bool
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        call.reply = FrontReply(call.reply, passes_first=passes_first)
        await proceed(call)

    call = make_call()
    call.reply = client = CountingClient()
    await contain(body, "skip")(call, answering(b"a"))
    assert (client.ends, contain.count("skip")) == (1, 1)


async def test_a_reply_of_the_wrong_form_is_contained_and_headers_reach_the_client(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        call.reply = FrontReply(call.reply, passes_first=True)
        await proceed(call)

    async def send(call: Call) -> None:
        call.reply.headers["x-cache"] = "MISS"
        await call.reply.send(b"{}")

    call = make_call()
    call.reply = client = CountingClient()
    await contain(body, "skip")(call, send)
    assert (client.ends, client.headers) == (1, {"x-cache": "MISS"})


class GoneClient(CountingClient):
    """A client that has left."""

    async def write(self, events: bytes) -> None:
        raise ConnectionResetError("the client is gone")

    send = write


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("keeps_quiet", [False, True])
async def test_a_client_that_is_gone_is_not_the_middlewares_fault_nor_its_secret(
    contain: Callable[..., Any],
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
    on_error: OnError,
    keeps_quiet: bool,
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        change_answer(call, bytes.upper)
        try:
            await proceed(call)
        except ConnectionError:
            if not keeps_quiet:
                raise

    call = make_call()
    call.reply = GoneClient()
    with pytest.raises(ConnectionResetError):
        await contain(body, on_error)(call, answering(b"a"))
    assert contain.count(on_error) == 0


async def test_sound_passes_a_change_of_events_as_it_is(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    """A middleware that reads events would take it for broken ones."""

    async def speak(call: Call) -> None:
        await call.reply.begin("audio/mpeg")
        await call.reply.write(b"abc")
        await call.reply.close()

    call, change = make_call(), Breaking(at=1)
    client = call.reply
    await contain(changing(change), "fail")(call, speak)
    assert (client.content_type, client.body, client.is_closed, change.calls) == ("audio/mpeg", b"abc", True, 0)


async def test_a_reply_that_breaks_over_the_kind_of_a_body_is_passed_by(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    class Broken(PassingReply):
        async def begin(self, content_type: str) -> None:
            raise ValueError("broken")

    async def body(call: Call, proceed: Proceed) -> None:
        call.reply = Broken(call.reply)
        await proceed(call)

    async def speak(call: Call) -> None:
        await call.reply.begin("audio/mpeg")
        await call.reply.write(b"abc")
        await call.reply.close()

    call = make_call()
    client = call.reply
    await contain(body, "skip")(call, speak)
    assert (client.content_type, client.body, client.is_closed) == ("audio/mpeg", b"abc", True)
