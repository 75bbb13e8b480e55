"""A call's way through the edge as an ordered list of middleware.

A middleware is one small object: it does its part, awaits `proceed(call)` for everything that comes after it, and may do
something on the way back. When `proceed` returns, the answer is whole and sent; when it raises, it is not.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from gateway_edge.call import Call

Proceed = Callable[[Call], Awaitable[None]]


class Middleware(Protocol):
    """One step of a call's way. `name` stands in `Server-Timing`, metrics and configuration."""

    name: str

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Does its part around the rest of the way. Raises RunestoneError to refuse or fail the call."""


class Pipeline:
    """Middleware in order, outermost first, each timed."""

    def __init__(self, middleware: Sequence[Middleware]) -> None:
        self.names = ("door", *(step.name for step in middleware))
        self._run: Proceed = _arrive
        for stage in range(len(middleware), 0, -1):
            self._run = _timed(middleware[stage - 1], stage, self._run)

    async def __call__(self, call: Call) -> None:
        """Takes `call` all the way. Its stopwatch must have been made with `names`."""
        await self._run(call)

    def __repr__(self) -> str:
        return f"Pipeline({' -> '.join(self.names)})"


def _timed(middleware: Middleware, stage: int, proceed: Proceed) -> Proceed:
    async def run(call: Call) -> None:
        call.stopwatch.switch(stage)
        try:
            await middleware(call, proceed)
        finally:
            call.stopwatch.switch(stage - 1)

    return run


async def _arrive(call: Call) -> None:
    """The end of a pipeline whose last middleware proceeds: nobody answered."""
    raise AssertionError(f"no middleware answered call {call.id}")
