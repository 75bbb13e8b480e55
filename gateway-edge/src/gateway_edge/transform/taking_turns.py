"""Long work on the event loop."""

import asyncio
from typing import TypeVar

from gateway_edge.transform.turns import Turns

T = TypeVar("T")


async def take_turns(work: Turns[T]) -> T:
    """Does `work`; the loop has its turn wherever that yields. Cancelled there, `work` is given up."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            result: T = done.value
            return result
        await asyncio.sleep(0)
