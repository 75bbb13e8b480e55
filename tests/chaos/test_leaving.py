"""A client leaves, or its deadline passes, wherever its call happens to be: all sockets to providers are closed, what was reserved is given
back, and one record is written. Each test plays all cells at once, and prints how soon the last socket was closed."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio
from chaos.pairs import Pairs, pair, playing, well
from dialect_stage import Wire
from fake_provider.exchange import Exchange
from makers import CELLS, MAKERS, Cell, describe, mesh_of_makers
from real_mesh import Mesh

from chassis.testing import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = "words=2000,pace=10ms"
PLAIN, PAUSING = 0, 1
HEDGED = range(2, 2 + len(CELLS))  # each cell has one of its own: of twenty calls of a route one may be hedged
PLACED = "-placed"
SOON = 3.0  # seconds: on a busy machine; what is printed is a fraction of it


@dataclass(frozen=True)
class Ports:
    mesh: Mesh
    well: int


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    """A provider has as many places as cells ask it, and nobody waits for one: a place that is not given back is missed by the next
    test."""
    first, second = free_port(), free_port()
    places = {
        "retries": {"attempts": 3},
        "concurrency": {"max": len(CELLS) // len(MAKERS), "adaptive": False, "queue": 0},
    }
    models = pair(PLAIN, PLACED, hedging={"after": "15s"})
    models += [route for number in HEDGED for route in pair(number, PLACED, hedging={"after": "100ms"})]
    models += [
        {"name": f"{maker}-{PAUSING}/*", "targets": [{"provider": f"{maker}{PLACED}", "model": "*"}]}
        for maker in MAKERS
    ]
    more = [*(maker | places for maker in describe(first, PLACED)), *well(second)]
    with mesh_of_makers(port=first, more=more, models=models) as running:
        yield Ports(running, second)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pairs(ports: Ports) -> AsyncIterator[Pairs]:
    async with playing(ports.mesh, ports.well) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def everything_is_given_back(pairs: Pairs) -> AsyncIterator[None]:
    """As many calls as may run at once are answered at once, by the first of each pair."""
    yield
    pairs.second.wishes = ""
    await pairs.check_nothing_is_left()
    seen = await pairs.play_all(CELLS, PLAIN, "words=8")
    assert {(told.raised, told.status, told.attempts) for told in seen.values()} == {("", 200, 1)}


@dataclass(frozen=True)
class Left:
    """What is known of a call whose client left at a `Clock.monotonic` time: its record's status and attempts."""

    at: float
    status: int
    attempts: int


async def leave(pairs: Pairs, cell: Cell, number: int, wish: str, *, size: int = 0, requests: int = 0) -> Left:
    """Asks, waits for so many bytes of the answer, or until the second has so many requests in all, and leaves."""
    stage = pairs.stage
    model, wire = stage.name(cell, wish, f"-{number}"), Wire()
    asking = stage.start(cell, model, wire)
    exchange = await stage.exchange(model)
    if size:
        await (wire.wait_for(size) if cell.stream else exchange.wait_written(size))
    if requests:
        await pairs.second.exchange(requests)
    at = time.monotonic()
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled(), asking
    (record,) = await stage.records([model])
    return Left(at, record.status, record.attempts)


async def measure_closing(name: str, exchanges: Iterable[Exchange], lefts: Sequence[Left]) -> None:
    """Waits until all are closed; prints how long that took behind the last that left, and holds it against `SOON`."""
    last = max(left.at for left in lefts)
    delays = []
    for exchange in exchanges:
        await exchange.wait_closed()
        assert exchange.closed_at is not None
        delays.append(max(0.0, exchange.closed_at - last) * 1e3)
    median, longest = statistics.median(delays), max(delays)
    print(f"{name}: {len(delays)} sockets, closed after {median:.0f} ms, at most {longest:.0f} ms")  # noqa: T201
    assert longest < SOON * 1e3


def open_at(pairs: Pairs, seen: int) -> list[Exchange]:
    """What the first of the pairs was asked behind its first `seen` requests."""
    return list(pairs.stage.fake.exchanges)[seen - pairs.stage.fake.requests :]


@pytest.mark.parametrize(
    ("wish", "size"),
    [("latency=30s", 0), (f"{ENDLESS},drip=50", 1_500)],
    ids=["before the first byte", "in the middle"],
)
async def test_a_client_that_leaves_takes_all_sockets_along(pairs: Pairs, wish: str, size: int) -> None:
    """Before the first byte, in the middle of a stream, and in a call whose document is being written. Nobody asks the second."""
    first, second = pairs.stage.fake.requests, pairs.second.requests
    lefts = await asyncio.gather(*(leave(pairs, cell, PLAIN, wish, size=size) for cell in CELLS))
    await measure_closing("left " + ("amid" if size else "before"), open_at(pairs, first), lefts)
    assert {(left.status, left.attempts) for left in lefts} <= {(499, 1), (499, 0)}
    assert pairs.second.requests == second


async def test_a_client_that_leaves_while_a_retry_waits_is_not_asked_for_again(pairs: Pairs) -> None:
    first = pairs.stage.fake.requests
    wish = "status=429,retry_after_ms=1500"
    lefts = await asyncio.gather(*(leave(pairs, cell, PAUSING, wish) for cell in CELLS))
    await pairs.check_nothing_is_left()
    assert {left.status for left in lefts} == {499}
    await asyncio.sleep(max(left.at for left in lefts) + 1.7 - time.monotonic())
    assert pairs.stage.fake.requests - first == len(CELLS)


async def test_a_client_that_leaves_while_two_targets_are_asked_leaves_both(pairs: Pairs) -> None:
    """Neither has begun."""
    pairs.second.wishes = "hang=headers"
    first, second = pairs.stage.fake.requests, pairs.second.requests
    everybody = second + len(CELLS)
    calls = zip(CELLS, HEDGED, strict=True)
    lefts = await asyncio.gather(
        *(leave(pairs, cell, number, "hang=headers", requests=everybody) for cell, number in calls)
    )
    both = [*open_at(pairs, first), *list(pairs.second.exchanges)[second - pairs.second.requests :]]
    assert len(both) == 2 * len(CELLS)
    await measure_closing("left a hedge", both, lefts)
    assert {left.status for left in lefts} == {499}


async def test_a_clients_deadline_ends_all_that_is_asked_for_it(pairs: Pairs) -> None:
    """Of 500 ms, where the second is asked after 100. What the client is told, and when, is printed, too."""
    pairs.second.wishes = "hang=headers"
    first, second = pairs.stage.fake.requests, pairs.second.requests

    async def outlast(cell: Cell, number: int) -> tuple[Left, float]:
        model, wire = pairs.stage.name(cell, "hang=headers", f"-{number}"), Wire()
        begun = time.monotonic()
        asking = pairs.stage.start(cell, model, wire, {"x-runestone-timeout-ms": "500"})
        await asyncio.wait([asking])
        over = time.monotonic() - begun
        assert wire.status == 504, asking
        (record,) = await pairs.stage.records([model])
        return Left(begun + 0.5, record.status, record.attempts), over

    calls = zip(CELLS, HEDGED, strict=True)
    ends = await asyncio.gather(*(outlast(cell, number) for cell, number in calls))
    exchanges = [*open_at(pairs, first), *list(pairs.second.exchanges)[second - pairs.second.requests :]]
    await measure_closing("deadline of 500 ms", exchanges, [left for left, _ in ends])
    slowest = max(over for _, over in ends) * 1e3
    print(f"told after at most {slowest:.0f} ms")  # noqa: T201
    assert {left.status for left, _ in ends} == {504}
    assert slowest < SOON * 1e3
