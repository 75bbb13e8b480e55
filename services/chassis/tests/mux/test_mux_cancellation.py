"""Whoever stops waiting stops the work: wherever the call stands, once, and without a trace on either end."""

import asyncio
from contextlib import aclosing

import pytest

from chassis.errors import Reason, RunestoneError
from chassis.mux.flow import PART, WINDOW

PATIENCE = 10
LARGE = b"x" * (1 << 20)


async def cancel(task: asyncio.Task) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_call_that_was_not_sent_never_leaves(stage):
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    pair.out.is_held = True
    call = asyncio.ensure_future(pair.begin("Unary", LARGE).answer())
    await stage.settle()
    await cancel(call)
    assert pair.is_empty
    pair.out.release()
    await stage.settle()
    assert not scene.began.is_set()


async def test_a_call_that_was_sent_is_cancelled_at_its_handler(stage):
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    call = asyncio.ensure_future(pair.begin("Unary").answer())
    await stage.wait_until(scene.began.is_set)
    await cancel(call)
    await stage.settle()
    assert scene.left.is_set()
    assert scene.called_back == 1
    assert pair.is_empty


async def test_a_cancel_that_arrives_with_its_open_leaves_nothing(stage):
    """The handler's task is cancelled before it took its first step, and so never takes one."""
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    pair.begin("Unary").cancel()
    call = pair.begin("Unary")
    batch = pair.caller.next_batch()
    call.cancel()
    pair.callee.receive(batch)
    pair.callee.receive(pair.caller.next_batch())
    await stage.settle()
    assert not scene.began.is_set()
    assert pair.is_empty


async def test_a_large_request_is_forgotten_amid_its_parts(stage):
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    pair.back.is_held = True  # no credit: the request stands still after its window
    call = pair.begin("Unary", LARGE)
    await stage.settle()
    assert len(pair.callee._calls) == 1
    call.cancel()
    pair.back.release()
    await stage.settle()
    assert not scene.began.is_set()
    assert pair.is_empty


@pytest.mark.parametrize("size", [10, PART, 1 << 20])
async def test_a_producer_that_waits_for_credit_is_closed(stage, size):
    """It stands at its `yield`; it has said no more than its window."""
    scene = stage.Scene(before=(b"x" * size,) * (2 * WINDOW // size + 3))
    pair = stage.pair(stream=scene.stream)
    async with aclosing(pair.begin("Stream").answers()) as answers:
        await anext(answers)
        await stage.settle()
        assert 0 < scene.said < len(scene.before)
    await stage.settle()
    assert scene.left.is_set()
    assert scene.called_back == 1
    assert pair.is_empty


async def test_a_deadline_ends_both_ends(stage):
    scene = stage.Scene()
    pair = stage.pair(unary=scene.unary)
    with pytest.raises(RunestoneError) as failure:
        await pair.begin("Unary", timeout=0.05).answer()
    assert failure.value.reason is Reason.DEADLINE_EXCEEDED
    await asyncio.wait_for(scene.left.wait(), PATIENCE)
    await stage.settle()
    assert scene.called_back == 1
    assert pair.is_empty


@pytest.mark.parametrize("method", ["Unary", "Stream"])
async def test_a_callee_keeps_the_deadline_when_its_caller_hangs(stage, method):
    """The caller's process may be stopped, its socket still open: no cancel ever comes, and no credit."""
    scene = stage.Scene(before=(LARGE,) * 4)
    pair = stage.pair(unary=scene.unary, stream=scene.stream)
    call = pair.begin(method, timeout=0.05)
    await stage.settle()
    pair.out.is_held = True
    await asyncio.wait_for(scene.left.wait(), PATIENCE)
    await stage.settle()
    assert not pair.callee._calls
    assert pair.callee.idle.is_set()
    call.cancel()


async def test_a_request_that_never_becomes_whole_is_forgotten_at_its_deadline(stage):
    pair = stage.pair()
    pair.back.is_held = True
    call = pair.begin("Unary", LARGE, timeout=0.05)
    await stage.settle()
    pair.out.is_held = True
    assert len(pair.callee._calls) == 1
    await stage.wait_until(lambda: not pair.callee._calls)
    call.cancel()


async def test_an_answer_and_its_cancel_may_cross(stage):
    pair = stage.pair()
    pair.back.is_held = True
    call = pair.begin("Unary", b"hello")
    await stage.settle()  # the answer is ready at the callee, and held
    call.cancel()
    pair.back.release()
    await stage.settle()
    assert pair.is_empty


async def test_cancelling_what_is_over_is_harmless(stage):
    pair = stage.pair()
    call = pair.begin("Unary", b"hello")
    assert await call.answer() == b"hello"
    call.cancel()
    await stage.settle()
    assert pair.is_empty


async def test_a_handler_that_cancels_itself_ends_its_call(stage):
    """Somebody waits, so somebody is told: an inner task that was cancelled must not leave the caller hanging."""

    async def give_up(request, context):
        raise asyncio.CancelledError

    pair = stage.pair(unary=give_up)
    with pytest.raises(RunestoneError) as failure:
        await pair.begin("Unary").answer()
    assert failure.value.reason is Reason.CANCELLED
    await stage.settle()
    assert pair.is_empty


async def test_a_handler_that_goes_on_after_its_cancel_is_stopped_at_its_next_message(stage):
    """No credit would ever come for it."""
    went_on, left = asyncio.Event(), asyncio.Event()

    async def stubborn(request, context):
        try:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                went_on.set()
            for _ in range(1000):
                yield LARGE
        finally:
            left.set()

    pair = stage.pair(stream=stubborn)
    call = pair.begin("Stream")
    await stage.settle()
    call.cancel()
    await asyncio.wait_for(left.wait(), PATIENCE)
    assert went_on.is_set()
    await stage.settle()
    assert pair.is_empty


async def test_a_callback_that_crashes_keeps_nobody_from_being_told(stage):
    told = []

    async def register(request, context):
        context.add_done_callback(lambda _: 1 / 0)
        context.add_done_callback(told.append)
        return b"done"

    pair = stage.pair(unary=register)
    assert await pair.begin("Unary").answer() == b"done"
    await stage.settle()
    assert len(told) == 1
    assert pair.is_empty


async def test_a_callback_that_comes_too_late_is_called_at_once(stage):
    """The caller left while the handler was about to register."""
    told = []

    async def late(request, context):
        try:
            await asyncio.Event().wait()
        finally:
            context.add_done_callback(told.append)

    pair = stage.pair(unary=late)
    call = pair.begin("Unary")
    await stage.settle()
    call.cancel()
    await stage.settle()
    assert len(told) == 1


async def test_closing_a_session_waits_until_every_handler_is_left(stage):
    """What a handler cleans up with is still open then."""
    cleaned = []

    async def slow_to_leave(request, context):
        try:
            await asyncio.Event().wait()
        finally:
            await stage.settle()
            cleaned.append(request)

    pair = stage.pair(unary=slow_to_leave)
    calls = [pair.begin("Unary", b"%d" % number) for number in range(5)]
    await stage.settle()
    await pair.callee.close()
    assert len(cleaned) == 5
    assert not pair.callee._calls
    pair.caller.fail("over")
    assert [call._error.reason for call in calls] == [Reason.UNAVAILABLE] * 5


async def test_leaving_a_unary_call_cancels_its_handler_through(stage, pipe):
    scene, address = stage.Scene(), stage.address(pipe)
    async with stage.serving(address, unary=scene.unary) as server, stage.linked(address) as link:
        call = asyncio.ensure_future(link.call(stage.UNARY, LARGE, PATIENCE, ()))
        await asyncio.wait_for(scene.began.wait(), PATIENCE)
        assert (link.running, server.limiter.running) == (1, 1)
        await cancel(call)
        await asyncio.wait_for(scene.left.wait(), PATIENCE)
        await stage.wait_until(lambda: not server.limiter.running)
        assert link.running == 0
        assert scene.called_back == 1


async def test_leaving_a_stream_closes_a_producer_that_waits_through(stage, pipe):
    scene, address = stage.Scene(before=(LARGE,) * 64), stage.address(pipe)
    async with stage.serving(address, stream=scene.stream) as server, stage.linked(address) as link:
        async with aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as answers:
            assert await anext(answers) == LARGE
        await asyncio.wait_for(scene.left.wait(), PATIENCE)
        await stage.wait_until(lambda: not server.limiter.running)
        assert link.running == 0
        assert scene.called_back == 1
        assert scene.said <= 3  # the one that was read, the one after it, and the one that waits


async def test_a_task_cancelled_while_it_waits_for_the_next_message_cancels_the_stream_through(stage, pipe):
    scene, address = stage.Scene(before=(b"one",)), stage.address(pipe)

    async def read_on(link):
        async with aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as answers:
            async for answer in answers:
                read.append(answer)

    read = []
    async with stage.serving(address, stream=scene.stream), stage.linked(address) as link:
        reader = asyncio.ensure_future(read_on(link))
        await stage.wait_until(lambda: read == [b"one"])
        await cancel(reader)
        await asyncio.wait_for(scene.left.wait(), PATIENCE)
        assert link.running == 0
