"""Whatever a user's middleware does with a cancel: the call's end reaches everybody, and nothing else ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.errors import RunestoneError
from gateway_edge.call import Call
from gateway_edge.containment.middleware import OnError
from gateway_edge.middleware.base import Proceed
from gateway_edge.reply import PassingReply


async def cancel_while(work: Awaitable[None], is_waiting: asyncio.Event) -> None:
    """Runs `work` in a task that is cancelled once it waits; it must end as cancelled."""
    task = asyncio.ensure_future(work)
    await is_waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Waiting:
    """Waits until it is cancelled."""

    def __init__(self) -> None:
        self.begun, self.was_cancelled = asyncio.Event(), False

    async def __call__(self, call: Call | None = None) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


async def test_a_cancel_reaches_what_is_behind_even_when_the_middleware_keeps_it_to_itself(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        try:
            await proceed(call)
        except asyncio.CancelledError:
            await call.reply.send(b"never mind")

    rest = Waiting()
    await cancel_while(contain(body, "skip")(make_call(), rest), rest.begun)
    assert rest.was_cancelled


@pytest.mark.parametrize("goes_on", ["proceeds", "returns", "raises"])
async def test_a_cancel_that_a_middleware_swallows_before_it_proceeds_begins_nothing(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any], goes_on: str
) -> None:
    waiting = Waiting()

    async def body(call: Call, proceed: Proceed) -> None:
        try:
            await waiting()
        except asyncio.CancelledError:
            if goes_on == "raises":
                raise ValueError("broken while cleaning up") from None
            if goes_on == "proceeds":
                await proceed(call)

    answer = answering(b"answer")
    await cancel_while(contain(body, "skip")(make_call(), answer), waiting.begun)
    assert answer.asked == 0
    assert contain.count("skip") == (goes_on == "raises")


async def test_a_cancel_that_a_reply_swallows_ends_the_stream(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    waiting = Waiting()

    class Deaf(PassingReply):
        async def write(self, events: bytes) -> None:
            try:
                await waiting()
            except asyncio.CancelledError:
                await self.inner.write(events)

    async def body(call: Call, proceed: Proceed) -> None:
        call.reply = Deaf(call.reply)
        await proceed(call)

    call = make_call()
    client = call.reply
    await cancel_while(contain(body, "skip")(call, answering(b"a", b"b")), waiting.begun)
    assert (client.body, client.is_closed) == (b"a", False)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
async def test_a_cancelled_task_of_its_own_does_not_look_like_the_end_of_the_call(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any], on_error: OnError
) -> None:
    """It would leave the client without an answer."""
    answer, call = answering(b"answer"), make_call()

    async def body(call: Call, proceed: Proceed) -> None:
        raise asyncio.CancelledError

    run = contain(body, on_error)(call, answer)
    if on_error == "fail":
        with pytest.raises(RunestoneError, match="the middleware made failed"):
            await run
    else:
        await run
        assert call.reply.body == b"answer"
    assert contain.count(on_error) == 1


async def test_a_middleware_may_give_the_rest_a_time_limit_and_answer_instead(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        try:
            async with asyncio.timeout(0):
                await proceed(call)
        except TimeoutError:
            await call.reply.send(b"too slow")

    rest, call = Waiting(), make_call()
    await contain(body, "fail")(call, rest)
    assert (call.reply.body, rest.was_cancelled, contain.count("fail")) == (b"too slow", True, 0)


async def test_a_middleware_that_ended_the_rest_itself_cannot_be_skipped(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        async with asyncio.timeout(0):
            await proceed(call)

    with pytest.raises(RunestoneError, match="the middleware made failed"):
        await contain(body, "skip")(make_call(), Waiting())


async def test_a_task_that_is_being_cancelled_elsewhere_is_not_this_call(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    """`asyncio.wait_for` runs the rest in a task of its own on Python 3.11."""

    async def body(call: Call, proceed: Proceed) -> None:
        await asyncio.wait_for(proceed(call), 5)

    answer, call = answering(b"answer"), make_call()
    await contain(body, "fail")(call, answer)
    assert (call.reply.body, contain.count("fail")) == (b"answer", 0)


async def test_the_rest_does_not_outlive_the_middleware_that_left_it_running(
    contain: Callable[..., Any], make_call: Callable[..., Call]
) -> None:
    """`asyncio.gather` raises the first error and lets the others run on: with them the provider's socket."""
    rest = Waiting()

    async def break_beside() -> None:
        await rest.begun.wait()
        raise ValueError("broken")

    async def body(call: Call, proceed: Proceed) -> None:
        await asyncio.gather(proceed(call), break_beside())

    with pytest.raises(RunestoneError, match="the middleware made failed"):
        await contain(body, "skip")(make_call(), rest)
    assert rest.was_cancelled
