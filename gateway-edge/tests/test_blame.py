"""A client's own haste is never held against a part of the mesh."""

import asyncio

from chassis import context
from chassis.context import NO_TRACE, CallContext
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.blame import is_part_down


async def blamed(reason: Reason, left: float | None) -> bool:
    clock = FakeClock()

    async def ask() -> bool:
        context.bind(CallContext(NO_TRACE, None if left is None else clock.monotonic() + left))
        return is_part_down(RunestoneError(reason, "x"), clock)

    return await asyncio.create_task(ask())


async def test_a_deadline_of_the_clients_own_is_not_sickness() -> None:
    assert not await blamed(Reason.DEADLINE_EXCEEDED, 0.001)
    assert not await blamed(Reason.DEADLINE_EXCEEDED, -1)


async def test_a_part_that_is_slow_while_there_is_time_is_sick() -> None:
    assert await blamed(Reason.DEADLINE_EXCEEDED, 30)
    assert await blamed(Reason.DEADLINE_EXCEEDED, None)


async def test_only_sickness_is_passed_over() -> None:
    assert await blamed(Reason.UNAVAILABLE, 0.001)
    assert not await blamed(Reason.INVALID_REQUEST, 30)
    assert not await blamed(Reason.CANCELLED, 30)
