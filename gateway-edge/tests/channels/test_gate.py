"""What a caller pauses and resumes."""

import asyncio

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.messages.gate import Gate


async def test_who_waits_goes_on_when_it_is_resumed() -> None:
    gate = Gate(60)
    gate.pause()
    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    assert (gate.is_paused, waiting.done()) == (True, False)
    gate.resume()
    async with asyncio.timeout(5):
        await waiting


async def test_a_pause_ends_the_call_when_it_is_too_long() -> None:
    gate = Gate(0.01)
    gate.pause()
    with pytest.raises(RunestoneError) as caught:
        await gate.wait()
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED


async def test_pausing_again_gives_no_more_time() -> None:
    """Else a caller could hold a provider's socket for ever."""
    gate = Gate(0.05)
    gate.pause()
    waiting = asyncio.create_task(gate.wait())
    for _ in range(100):
        gate.pause()
        await asyncio.sleep(0.002)
        if waiting.done():
            break
    with pytest.raises(RunestoneError):
        waiting.result()
