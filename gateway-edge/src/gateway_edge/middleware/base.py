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
    """Middleware in order, outermost first, each timed; the last one answers. Pipelines that consist of the same have the same
    `version`. One that `is_repeatable` does the same for the same bytes of the same caller, but for what it counts; one that
    `changes_answers` may send other events than it is sent."""

    def __init__(
        self,
        middleware: Sequence[Middleware],
        *,
        version: bytes = b"",
        is_repeatable: bool = False,
        changes_answers: bool = False,
    ) -> None:
        self.version = version
        self.changes_answers = changes_answers
        self.is_repeatable = is_repeatable
        self.names = tuple(step.name for step in middleware)
        self._run: Proceed = _arrive
        for step in reversed(middleware):
            self._run = _timed(step, self._run)

    async def __call__(self, call: Call) -> None:
        """Takes `call` all the way."""
        await self._run(call)

    def __repr__(self) -> str:
        return f"Pipeline({' -> '.join(self.names)})"


def _timed(middleware: Middleware, proceed: Proceed) -> Proceed:
    name = middleware.name

    async def run(call: Call) -> None:
        outer = call.stopwatch.switch(name)
        try:
            await middleware(call, proceed)
        finally:
            call.stopwatch.switch(outer)

    return run


async def _arrive(call: Call) -> None:
    """The end of a pipeline whose last middleware proceeds: nobody answered."""
    raise AssertionError(f"no middleware answered call {call.id}")
