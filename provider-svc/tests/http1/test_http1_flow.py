"""A body that flows: block by block to whoever takes it, in the socket's own callback."""

import asyncio
import zlib

import pytest

from chassis.errors import Reason, RunestoneError

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n"


def answering(*pieces):
    """A server that says one piece at a time, and then waits for another request."""

    async def script(visit):
        while True:
            await visit.request()
            await visit.say(HEAD, *pieces)

    return script


def post(it):
    return it.upstream.post("/chat", b"{}", {})


async def test_what_comes_is_taken_without_a_step_of_the_task(rig):
    taken = []

    def take(block):
        taken.append((block, asyncio.current_task() is None))
        return True

    async with rig(answering(b"ab", b"cd", b"ef")) as it, asyncio.timeout(10), post(it) as answer:
        assert await answer.flow(take)
    assert b"".join(block for block, _ in taken) == b"abcdef"
    assert (b"cd", True) in taken


async def test_a_taker_that_has_enough_is_given_nothing_until_it_is_asked_again(rig):
    """And then all that came in the meantime together."""
    taken = []

    def take_one(block):
        taken.append(block)
        return False

    async with rig(answering(b"ab", b"cd", b"ef")) as it, asyncio.timeout(10):
        async with post(it) as answer:
            assert not await answer.flow(take_one)
            await it.until_played()
            assert taken == [b"ab"]
            assert not await answer.flow(take_one)
            assert await answer.flow(take_one)
        assert taken == [b"ab", b"cdef"]
        assert (it.upstream.count_now()["open"], it.upstream.running) == (1, 0)


async def test_an_end_that_was_said_early_leaves_the_rest_to_finish(rig):
    """What stands behind the last event is read, so that the connection carries the next call."""

    async with rig(answering(b"ab", b"cd", b"ef")) as it, asyncio.timeout(10):
        for _ in range(2):
            async with post(it) as answer:
                assert not await answer.flow(lambda _: False)
                await answer.finish()
        assert len(it.visits) == 1


@pytest.mark.parametrize("when", [b"ab", b"cd"])
async def test_what_a_taker_raises_is_raised_to_the_task_and_closes_the_socket(rig, when):
    def take(block):
        if block == when:
            raise KeyError(block)
        return True

    async with rig(answering(b"ab", b"cd", b"ef")) as it, asyncio.timeout(10):
        with pytest.raises(KeyError):
            async with post(it) as answer:
                await answer.flow(take)
        await it.visits[0].wait_closed()


async def test_what_came_before_the_connection_broke_is_taken_first(rig):
    taken = bytearray()

    async def script(visit):
        await visit.request()
        await visit.say(HEAD, b"ab", b"cd")
        visit.close()

    def take(block):
        taken.extend(block)
        return True

    async with rig(script) as it, asyncio.timeout(10):
        with pytest.raises(RunestoneError) as error:
            async with post(it) as answer:
                await answer.flow(take)
    assert (bytes(taken), error.value.reason) == (b"abcd", Reason.PROVIDER_STREAM_CUT)


@pytest.mark.parametrize("wants_more", [True, False])
async def test_a_compressed_body_flows_decoded_however_it_is_taken(rig, wants_more):
    taken, packed = bytearray(), zlib.compress(b"abcdef" * 100_000)

    async def script(visit):
        await visit.request()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\ncontent-encoding: deflate\r\n\r\n" % len(packed)
        await visit.say(head, packed[:20], packed[20:])

    def take(block):
        taken.extend(block)
        return wants_more

    async with rig(script) as it, asyncio.timeout(10), post(it) as answer:
        while not await answer.flow(take):
            assert not wants_more
    assert bytes(taken) == b"abcdef" * 100_000


async def test_a_provider_that_falls_silent_in_a_flow_is_an_idle_timeout(rig):
    async with rig(answering(b"ab", b"cd"), idle=0.05) as it, asyncio.timeout(10):
        with pytest.raises(RunestoneError) as error:
            async with post(it) as answer:
                await answer.flow(lambda _: True)
    assert error.value.reason is Reason.PROVIDER_TIMEOUT
    assert "idle" in error.value.message


def beginning(*pieces):
    """A server that says its head, then `pieces`, then nothing more."""

    async def script(visit):
        await visit.request()
        await visit.say(HEAD, *pieces)
        await visit.request()

    return script


async def flow(answer) -> bool:
    return await answer.flow(lambda _block: True)


async def read(answer) -> bytes:
    return await answer.read(100)


@pytest.mark.parametrize("way", [flow, read])
async def test_between_head_and_body_the_first_byte_timeout_holds_then_the_idle_one(rig, way):
    """Neither the shorter idle timeout before the first byte, nor the longer first-byte timeout behind it."""
    async with rig(beginning(), first_byte=0.1, idle=0.001) as it, asyncio.timeout(10):
        with pytest.raises(RunestoneError, match=r"its answer's body within 0.1 s \(first-byte timeout\)"):
            async with post(it) as answer:
                await way(answer)
    async with rig(beginning(b"ab"), first_byte=60, idle=0.05) as it, asyncio.timeout(10):
        with pytest.raises(RunestoneError, match=r"for 0.05 s \(idle timeout\)"):
            async with post(it) as answer:
                await way(answer)


async def test_the_total_timeout_bounds_the_first_byte_too(rig):
    async with rig(beginning(), first_byte=60, total=0.05) as it, asyncio.timeout(10):
        with pytest.raises(RunestoneError, match=r"\(total timeout\)"):
            async with post(it) as answer:
                await read(answer)


@pytest.mark.parametrize(
    ("timeouts", "message"),
    [
        ({"header": 0.05}, r"within 0.05 s \(header timeout\)"),
        ({"header": 60, "first_byte": 0.05}, r"within 0.05 s \(first-byte timeout\)"),
        ({"first_byte": 0.05}, r"within 0.05 s \(first-byte timeout\)"),
        ({"header": 9, "total": 0.05}, r"within 0.05 s \(total timeout\)"),
        ({"header": 0.05, "connect": 0.01}, r"within 0.05 s \(header timeout\)"),
    ],
)
async def test_a_head_that_does_not_come_is_the_timeout_that_was_shortest(rig, timeouts, message):
    async def say_nothing(visit):
        await visit.request()
        await visit.request()

    async with rig(say_nothing, **timeouts) as it, asyncio.timeout(10):
        with pytest.raises(RunestoneError, match=message) as caught:
            await it.ask()
    assert caught.value.reason is Reason.PROVIDER_TIMEOUT
