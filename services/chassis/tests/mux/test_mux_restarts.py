"""Two replicas that stop and start in turn while calls come without a pause: none is lost, whenever it was written."""

import asyncio
import contextlib

import pytest

from chassis.replicas import ReplicaLink
from chassis.server import MAX_MESSAGE

PATIENCE = 10
CALLERS, RESTARTS = 16, 6


@pytest.fixture
def addresses(stage, pipe) -> list[str]:
    """Of two replicas that are reached through `pipe`."""
    if pipe == "socket":
        return [f"unix:{stage.directory}/{number}.sock" for number in range(2)]
    return [stage.address(pipe) for _ in range(2)]


async def test_no_call_is_lost_while_replicas_stop_and_start_in_turn_through(stage, addresses):
    """Neither a call that was written in the moment of the goodbye, nor a stream that runs through it. A replica that is back on its address
    gets calls again."""
    running = [await stage.start(address) for address in addresses]
    link = ReplicaLink(addresses, lambda one: stage.MuxLink(one, MAX_MESSAGE, waits_again=False))
    is_done, answered = asyncio.Event(), 0

    async def keep_calling():
        nonlocal answered
        while not is_done.is_set():
            assert await link.call(stage.UNARY, b"x", PATIENCE, ()) == b"x"
            async with contextlib.aclosing(link.stream(stage.STREAM, b"", PATIENCE, ())) as answers:
                assert [answer async for answer in answers] == [b"0", b"1", b"2"]
            answered += 1

    async def restart_in_turn():
        for turn in range(RESTARTS):
            number = turn % 2
            await asyncio.wait_for(running[number].stop(3600), PATIENCE)
            running[number] = await stage.start(addresses[number])
            replica = link.replicas[addresses[number]]
            async with asyncio.timeout(PATIENCE):
                assert await replica.link.is_connected_within(PATIENCE)
                while not replica.running:
                    await asyncio.sleep(0)
        is_done.set()

    try:
        assert await link.is_connected_within(PATIENCE)
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(keep_calling())
            group.create_task(restart_in_turn())
    finally:
        await link.close()
        for server in running:
            await server.stop(0)
    assert answered > CALLERS
