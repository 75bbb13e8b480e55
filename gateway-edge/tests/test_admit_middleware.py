"""Calls above a bound and under load: refused before their body is read, those worth least first, with honest waits."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from chassis.config import Settings
from chassis.config.schema import Edge, Protection
from chassis.errors import Reason, RunestoneError
from chassis.health import Facts
from chassis.metrics import Metrics
from chassis.testing import FakeClock
from gateway_edge.call import Call
from gateway_edge.callers.tenants import Principal
from gateway_edge.middleware.admit import Admit
from gateway_edge.protection.call_bounds import FACT, CallBounds

MEMORY = 1000


class Scene:
    """An admission, and calls that stay inside until they are let go."""

    def __init__(self, clock: FakeClock, make_call: Callable[..., Call], **protection: Any) -> None:
        self.memory = 0
        self.facts, self.metrics = Facts(), Metrics()
        self.protection = Protection(**protection)
        self._due: list[Callable[[], None]] = []
        timer = SimpleNamespace(time=clock.monotonic, call_at=lambda _when, callback: self._due.append(callback))
        self.bounds = CallBounds(
            lambda: self.protection,
            timer,
            measure_memory=lambda: self.memory,
            max_memory=MEMORY,
            facts=self.facts,
            metrics=self.metrics,
        )
        self.admit = Admit(self.bounds, clock)
        self._make_call = make_call
        self._gates: list[asyncio.Event] = []
        self._inside: list[asyncio.Task[None]] = []

    async def enter(self, *, key: str = "ci", priority: int = 5, client: str | None = None) -> None:
        """A call comes; returns when it is inside. Raises what refuses it."""
        call = self._make_call(is_bare=True)
        call.principal = Principal(tenant="acme", key=key, priority=priority)
        call.settings = Settings(edge=Edge(protection=self.protection))
        if client is not None:
            call.arrival = msgspec.structs.replace(call.arrival, client_address=client, is_proxied=True)
        gate, entered = asyncio.Event(), asyncio.Event()

        async def stay(_call: Call) -> None:
            entered.set()
            await gate.wait()

        task = asyncio.create_task(self.admit(call, stay))
        await asyncio.wait([task, waiting := asyncio.create_task(entered.wait())], return_when="FIRST_COMPLETED")
        waiting.cancel()
        if task.done():
            await task
        self._gates.append(gate)
        self._inside.append(task)

    async def leave(self, count: int) -> None:
        """The first `count` calls end."""
        for gate in self._gates[:count]:
            gate.set()
        await asyncio.gather(*self._inside[:count])
        del self._gates[:count], self._inside[:count]

    def measure(self) -> None:
        """The next measurement is due."""
        self._due.pop(0)()

    @property
    def is_watching(self) -> bool:
        return bool(self._due)

    @property
    def fact(self) -> str:
        return next(fact.detail for fact in self.facts if fact.name == FACT)


@pytest.fixture
def make_scene(clock: FakeClock, make_call: Callable[..., Call]) -> Callable[..., Scene]:
    return lambda **protection: Scene(clock, make_call, **protection)


async def refusal_of(entering: Any) -> RunestoneError:
    with pytest.raises(RunestoneError) as refused:
        await entering
    return refused.value


async def test_one_key_cannot_take_all_places(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(max_calls_per_key=2)
    for _ in range(2):
        await scene.enter(key="greedy")
    refused = await refusal_of(scene.enter(key="greedy"))
    assert (refused.reason, refused.code) == (Reason.RATE_LIMITED, "too_many_calls")
    await scene.enter(key="other")
    await scene.leave(1)
    await scene.enter(key="greedy")


async def test_one_client_behind_a_proxy_cannot_take_all_places(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(max_connections_per_address=1)
    await scene.enter(client="2001:db8::1")
    refused = await refusal_of(scene.enter(client="2001:db8::2"))
    assert refused.reason is Reason.RATE_LIMITED
    await scene.enter(client="2001:db8:0:1::1")
    await scene.leave(1)
    await scene.enter(client="2001:db8::2")


async def test_calls_of_the_lowest_priority_are_shed_first(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(max_calls=100)
    for _ in range(92):
        await scene.enter(priority=9)
    for shed in range(6):
        assert (await refusal_of(scene.enter(priority=shed))).reason is Reason.OVERLOADED
    for taken in range(6, 10):
        await scene.enter(priority=taken)
    for _ in range(4):
        await scene.enter(priority=9)
    assert (await refusal_of(scene.enter(priority=9))).reason is Reason.OVERLOADED
    assert scene.bounds.load.running == 100


async def test_who_is_shed_learns_when_there_will_be_room(make_scene: Callable[..., Scene], clock: FakeClock) -> None:
    """100 calls that last 8 s each: one ends every 80 ms, and 25 must have ended before priority 0 is taken again."""
    scene = make_scene(max_calls=100)
    for _ in range(100):
        await scene.enter(priority=9)
    clock.advance(8)
    await scene.leave(100)
    for _ in range(100):
        await scene.enter(priority=9)
    refused = await refusal_of(scene.enter(priority=0))
    mean = 8 - 7 * (15 / 16) ** 100
    assert refused.retry_after == pytest.approx(0.25 * mean)
    assert f"{refused.retry_after:.3f} s" in refused.message


async def test_shedding_ends_when_calls_end(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(max_calls=100)
    for _ in range(80):
        await scene.enter(priority=9)
    await refusal_of(scene.enter(priority=0))
    await scene.leave(4)
    await refusal_of(scene.enter(priority=0))
    await scene.leave(2)
    await scene.enter(priority=0)


async def test_memory_sheds_too_and_health_names_it(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    assert scene.fact == "nothing"
    scene.memory = 930
    await scene.enter()
    scene.measure()
    assert scene.fact == "calls with a priority below 6, because of memory"
    refused = await refusal_of(scene.enter())
    assert (refused.reason, refused.retry_after) == (Reason.OVERLOADED, 1.0)
    scene.memory = 100
    scene.measure()
    assert scene.fact == "nothing"
    await scene.enter()


async def test_what_is_refused_wakes_the_edge_to_look_again(make_scene: Callable[..., Scene]) -> None:
    """Else memory that was short once would be short forever."""
    scene = make_scene()
    scene.memory = MEMORY
    await scene.enter()
    await scene.leave(1)
    scene.measure()
    assert not scene.is_watching
    await refusal_of(scene.enter())
    scene.memory = 0
    scene.measure()
    await scene.enter()


async def test_the_fact_holds_while_calls_are_shed(make_scene: Callable[..., Scene]) -> None:
    """An edge that sheds is ready: taking it out would only move its load to the others."""
    scene = make_scene()
    scene.memory = 2 * MEMORY
    await scene.enter()
    scene.measure()
    assert scene.fact == "all calls, because of memory"
    assert scene.facts.is_ready


async def test_a_call_that_fails_or_is_cancelled_makes_room(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(max_calls_per_key=1)
    for _ in range(3):
        await scene.enter()
        scene._inside[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await scene._inside.pop()
        scene._gates.clear()
    assert scene.bounds.load.running == 0


async def test_who_is_nobody_is_not_counted(make_scene: Callable[..., Scene], make_call: Callable[..., Call]) -> None:
    scene = make_scene(max_calls=1)
    await scene.enter()
    passed: list[Call] = []

    async def proceed(call: Call) -> None:
        passed.append(call)

    await scene.admit(make_call(is_bare=True), proceed)
    assert len(passed) == 1


async def test_refusals_are_counted_by_what_is_bounded(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(max_calls=10, max_calls_per_key=9)
    for _ in range(8):
        await scene.enter()
    await refusal_of(scene.enter(priority=0))
    await scene.enter()
    await refusal_of(scene.enter(priority=9))
    text = scene.metrics.exposition().decode()
    assert 'runestone_calls_shed_total{pressure="calls",priority="0"} 1.0' in text
    assert 'runestone_calls_above_bound_total{bound="key"} 1.0' in text
    assert "runestone_calls_running 9.0" in text
