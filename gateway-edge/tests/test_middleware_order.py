"""The mechanism of pipelines: order, the way back, time."""

from collections.abc import Callable

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.middleware.base import Pipeline, Proceed


class Step:
    def __init__(self, name: str, trail: list[str], error: Exception | None = None) -> None:
        self.name, self._trail, self._error = name, trail, error

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        self._trail.append(f"{self.name} in")
        if self._error:
            raise self._error
        if self.name != "last":
            await proceed(call)
        self._trail.append(f"{self.name} out")


async def test_middleware_runs_outermost_first_and_returns_in_reverse(make_call: Callable[..., Call]) -> None:
    trail: list[str] = []
    pipeline = Pipeline([Step("first", trail), Step("second", trail), Step("last", trail)])
    await pipeline(make_call())
    assert trail == ["first in", "second in", "last in", "last out", "second out", "first out"]


async def test_an_error_passes_every_outer_middleware(make_call: Callable[..., Call]) -> None:
    trail: list[str] = []
    pipeline = Pipeline(
        [Step("first", trail), Step("second", trail, RunestoneError(Reason.INTERNAL, "x")), Step("last", trail)]
    )
    with pytest.raises(RunestoneError):
        await pipeline(make_call())
    assert trail == ["first in", "second in"]


async def test_times_are_exclusive_and_name_only_what_ran(make_call: Callable[..., Call]) -> None:
    trail: list[str] = []
    pipeline = Pipeline([Step("first", trail), Step("last", trail), Step("never", trail)])
    call = make_call()
    await pipeline(call)
    names = list(call.stopwatch.read())
    assert names == ["door", "first", "last"]
    assert call.stopwatch.server_timing().startswith("door;dur=")


async def test_a_pipeline_that_nobody_answers_is_a_fault_not_a_hang(make_call: Callable[..., Call]) -> None:
    pipeline = Pipeline([Step("first", [])])
    with pytest.raises(AssertionError, match="no middleware answered"):
        await pipeline(make_call())
