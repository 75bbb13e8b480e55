"""Asking known questions at start: at a bounded rate, each once, and nothing in the file ends it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chassis.config import parse_settings
from chassis.config.schema import Warming as Wanted
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from gateway_edge.call import Outcome
from gateway_edge.callers.tenants import Authority, Principal
from gateway_edge.inner.warming import MOST, REPORT_EVERY, TOLD, TRIES, Warming

ACME = parse_settings("tenants: [{name: acme, keys: [{name: ci, secret: acme-key-0123456789}]}]").tenants


class Calls:
    """Answers at once with the outcome named in the body, or while `gate` is cleared when it is set. Keeps when each call came."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.asked: list[tuple[float, Principal, bytes]] = []
        self.running = self.most_running = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.refusals: list[RunestoneError] = []

    async def make(self, principal: Principal, body: bytes) -> Outcome:
        self.asked.append((self._clock.monotonic(), principal, body))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        await self.gate.wait()
        self.running -= 1
        if self.refusals:
            return Outcome(error=self.refusals.pop(0))
        return Outcome(cache=body.decode().partition('"')[2].partition('"')[0])


class Link:
    is_there = True

    async def is_connected_within(self, timeout: float) -> bool:
        return self.is_there


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    warning = info


class Bench:
    """A warming over a file of the test's, on its clock; sleeping passes that clock's time."""

    def __init__(self, path: Path, clock: FakeClock, wanted: dict[str, Any]) -> None:
        self.path, self.clock, self.log = path, clock, Log()
        self.calls, self.link, self.metrics = Calls(clock), Link(), Metrics()
        self.authority = Authority(ACME)
        self.report = asyncio.Event()
        self.slept: list[float] = []
        self.warming = Warming(
            Wanted(**{"file": str(path), "tenant": "acme", "key": "ci", "rate": 10, **wanted}),
            self.calls,
            lambda: self.authority,
            [Link(), self.link],
            longest=1000,
            clock=clock,
            log=self.log,
            outcomes=self.metrics.counter("cache_warmed", "x", ("outcome",)),
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        if seconds == REPORT_EVERY:
            await self.report.wait()
            self.report.clear()
        else:
            self.slept.append(seconds)
            await asyncio.sleep(0)  # what was begun before begins now
            self.clock.advance(seconds)

    async def run(self, *lines: str) -> dict[str, Any]:
        """What the last line of the log says."""
        self.path.write_text("\n".join(lines))
        await self.warming.run()
        return self.log.lines[-1][1]


@pytest.fixture
async def bench(tmp_path, clock):
    return lambda **wanted: Bench(tmp_path / "questions", clock, wanted)


def asked(outcome: str, count: int = 1) -> list[str]:
    return [f'{{"{outcome}": 1}}'] * count


async def test_every_question_is_asked_for_the_tenant_and_counted_by_what_came_of_it(bench):
    bench = bench()
    said = await bench.run(*asked("HIT", 2), *asked("MISS"), *asked("COALESCED"), *asked("BYPASS"), "nonsense")
    assert bench.log.lines[-1][0] == "the cache is warmed"
    counts = {"asked": 5, "hits": 2, "misses": 2, "not_kept": 1, "failed": 0, "bad_lines": 1}
    assert said == {"file": str(bench.path), **counts}
    assert {(principal.tenant, principal.key) for _, principal, _ in bench.calls.asked} == {("acme", "ci")}
    assert b'runestone_cache_warmed_total{outcome="miss"} 2.0' in bench.metrics.exposition()


async def test_no_more_than_the_rate_are_asked_in_any_second(bench):
    bench = bench(rate=5)
    await bench.run(*asked("MISS", 23))
    times = [time for time, _, _ in bench.calls.asked]
    assert len(times) == 23
    assert all(later - earlier >= 1 - 1e-6 for earlier, later in zip(times, times[5:], strict=False))


async def test_slow_answers_do_not_pile_up(bench):
    bench = bench(rate=1000)
    bench.calls.gate.clear()
    running = asyncio.create_task(bench.run(*asked("MISS", MOST + 5)))
    async with asyncio.timeout(5):
        while bench.calls.running < MOST:
            await asyncio.sleep(0.001)
    bench.calls.gate.set()
    assert (await running)["misses"] == MOST + 5
    assert bench.calls.most_running == MOST


async def test_who_is_named_by_no_key_asks_under_a_name_of_its_own(bench):
    bench = bench(key="")
    await bench.run(*asked("MISS"))
    assert bench.calls.asked[0][1].key == "warming"


async def test_bad_lines_are_told_with_their_numbers_but_not_without_end(bench):
    bench = bench()
    said = await bench.run("nonsense", *asked("MISS"), *["[]"] * (TOLD + 5))
    told = [fields["line"] for event, fields in bench.log.lines if event == "a line is no question"]
    assert told == [1, *range(3, TOLD + 2)]
    assert (said["bad_lines"], said["misses"]) == (TOLD + 6, 1)


async def test_a_refusal_that_says_when_is_waited_for(bench):
    bench = bench()
    bench.calls.refusals = [RunestoneError(Reason.RATE_LIMITED, "x", retry_after=7.5)]
    assert (await bench.run(*asked("MISS")))["misses"] == 1
    assert 7.5 in bench.slept


async def test_asking_again_has_an_end(bench):
    bench = bench()
    bench.calls.refusals = [RunestoneError(Reason.RATE_LIMITED, "x", retry_after=1e6)] * TRIES
    said = await bench.run(*asked("MISS"))
    assert (said["failed"], len(bench.calls.asked)) == (1, TRIES)
    assert max(bench.slept) == 60.0


async def test_another_failure_is_counted_and_passed_over(bench):
    bench = bench()
    bench.calls.refusals = [RunestoneError(Reason.PROVIDER_REFUSED, "x")]
    said = await bench.run(*asked("MISS", 2))
    assert (said["failed"], said["misses"], len(bench.calls.asked)) == (1, 1, 2)


async def test_it_says_how_it_goes(bench):
    bench = bench()
    bench.calls.gate.clear()
    running = asyncio.create_task(bench.run(*asked("MISS", 2)))
    bench.report.set()
    async with asyncio.timeout(5):
        while not bench.log.lines:
            await asyncio.sleep(0.001)
    assert bench.log.lines[0][0] == "warming the cache"
    bench.calls.gate.set()
    await running


async def test_stopping_lets_what_is_asked_end_and_asks_nothing_more(bench):
    bench = bench()
    bench.calls.gate.clear()
    running = asyncio.create_task(bench.run(*asked("MISS", 500)))
    async with asyncio.timeout(5):
        while not bench.calls.running:
            await asyncio.sleep(0.001)
    await bench.warming.stop(10.0)
    bench.calls.gate.set()
    assert (await running)["asked"] <= MOST
    assert bench.log.lines[-1][0] == "warming the cache was stopped"


async def test_cancelling_it_leaves_no_task(bench):
    bench = bench()
    bench.calls.gate.clear()
    running = asyncio.create_task(bench.run(*asked("MISS", 50)))
    async with asyncio.timeout(5):
        while not bench.calls.running:
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_is_asked_while_it_would_be_in_vain(bench):
    bench = bench()
    bench.link.is_there = False
    await bench.run(*asked("MISS"))
    assert bench.calls.asked == []
    assert "cannot be reached" in bench.log.lines[-1][0]


async def test_a_tenant_that_is_gone_ends_it(bench):
    bench = bench()
    bench.authority = Authority([])
    said = await bench.run(*asked("MISS", 100))
    assert bench.calls.asked == []
    assert said["failed"] <= MOST
    assert sum("no such tenant" in event for event, _ in bench.log.lines) == 1


async def test_a_file_that_is_gone_is_no_crash(bench):
    bench = bench(file="/absent")
    await bench.run()
    assert "the file cannot be read" in bench.log.lines[-1][0]
