"""A target fails in every known way while a second one is well: in every dialect, relayed and translated, whole and streamed, the client
gets the second's whole answer wherever nothing of the first's was the client's. Each test is a row; it plays all its cells at once."""

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from chaos.pairs import SECOND, WELL, Pairs, Told, pair, playing, well
from dialect_stage import Wire
from e2e.matrix import test_dialect_faults as table
from fake_provider.exchange import Exchange
from fake_provider.ports import unaccepting_port
from makers import CELLS, MAKERS, PATIENT, Cell, describe, mesh_of_makers
from real_mesh import Mesh

from chassis.testing import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = ("400", "413", "422")  # of the request, not of the target: the second is not asked
BEFORE = {name: fault for name, fault in table.BEFORE.items() if name not in REFUSED} | {
    "ends before an event is whole": table.Fault("end=10", 502, ""),
}
NUMBERS = {name: number for number, name in enumerate([*BEFORE, *table.AMID, *REFUSED, "sole", "hedged"])}
ON = {"hedging": {"after": "15s"}}  # and nothing is so slow
SOON = 0.3  # seconds


@dataclass(frozen=True)
class Ports:
    """Of the mesh, and of those who are well."""

    mesh: Mesh
    well: int


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    first, second = free_port(), free_port()
    with unaccepting_port() as unaccepting:
        more = [
            *describe(first, table.HURRIED, PATIENT | {"first_byte": "400ms"}),
            *describe(first, table.IDLE, PATIENT | {"idle": "400ms"}),
            *describe(free_port(), table.ABSENT),
            *describe(unaccepting, table.UNACCEPTING, PATIENT | {"connect": "300ms"}),
            *[maker | {"retries": {"attempts": 1}} for maker in describe(first, "-again")],
            *well(second),
        ]
        faults = BEFORE | table.AMID
        models = [route for name, fault in faults.items() for route in pair(NUMBERS[name], fault.makers, **ON)]
        models += [route for name in REFUSED for route in pair(NUMBERS[name], **ON)]
        models += pair(NUMBERS["hedged"], hedging={"after": "200ms"})
        models += [_sole(maker) for maker in MAKERS]
        with mesh_of_makers(port=first, more=more, models=models) as running:
            yield Ports(running, second)


def _sole(maker: str) -> dict[str, object]:
    return {"name": f"{maker}-{NUMBERS['sole']}/*", "targets": [{"provider": f"{maker}-again", "model": "*"}], **ON}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pairs(ports: Ports) -> AsyncIterator[Pairs]:
    async with playing(ports.mesh, ports.well) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nothing_is_left(pairs: Pairs) -> AsyncIterator[None]:
    """Behind every row."""
    yield
    await pairs.check_nothing_is_left()
    await pairs.check_billing()


def answered(cell: Cell) -> Told:
    """By the second."""
    return Told("", 200, table.WORDS, f"{SECOND[cell.maker]}{WELL}", 2, 200)


@pytest.mark.parametrize("name", BEFORE)
async def test_a_fault_before_the_first_byte_is_nothing_to_the_client(pairs: Pairs, name: str) -> None:
    before = pairs.second.requests
    seen = await pairs.play_all(CELLS, NUMBERS[name], BEFORE[name].wish)
    assert seen == {cell: answered(cell) for cell in CELLS}
    assert pairs.second.requests - before == len(CELLS)


@pytest.mark.parametrize("name", table.AMID)
async def test_a_stream_that_breaks_is_answered_by_the_second_until_a_part_is_the_clients(
    pairs: Pairs, name: str
) -> None:
    """A document that is put together from a stream is nobody's before it is whole."""
    fault = table.AMID[name]
    seen = await pairs.play_all(table.FROM_STREAMS, NUMBERS[name], fault.wish)
    assert {cell: told for cell, told in seen.items() if not cell.stream} == {
        cell: answered(cell) for cell in table.FROM_STREAMS if not cell.stream
    }
    for cell in table.STREAMED:
        told, of_maker = seen[cell], table.of_maker(fault, cell)
        assert (told.raised, told.status) == (table.RAISED[cell.client][200], 200), cell
        assert (told.provider, told.attempts) == (f"{cell.maker}{fault.makers}", 1), cell
        assert (told.recorded, of_maker.words in told.words) == (of_maker.status, True), (cell, told)


@pytest.mark.parametrize("name", REFUSED)
async def test_a_request_that_is_refused_is_not_asked_again(pairs: Pairs, name: str) -> None:
    fault, before = table.BEFORE[name], pairs.second.requests
    seen = await pairs.play_all(CELLS, NUMBERS[name], fault.wish)
    assert {(told.status, told.provider, told.attempts) for told in seen.values()} == {
        (fault.status, maker, 1) for maker in MAKERS
    }
    assert pairs.second.requests == before


async def test_a_sole_target_that_says_when_is_asked_again_then(pairs: Pairs) -> None:
    """To the millisecond, and not before."""
    arrivals: dict[str, list[float]] = {}

    def refuse_once(exchange: Exchange) -> str:
        times = arrivals.setdefault(exchange.model, [])
        times.append(time.monotonic())
        return f"status=429,retry_after_ms={SOON * 1000:.0f}" if len(times) == 1 else ""

    pairs.stage.fake.script(*[refuse_once] * 2 * len(CELLS))
    seen = await pairs.play_all(CELLS, NUMBERS["sole"], "words=8")
    assert seen == {cell: Told("", 200, table.WORDS, f"{cell.maker}-again", 2, 200) for cell in CELLS}
    waits = sorted(second - first for first, second in arrivals.values())
    print(f"asked to wait {SOON * 1e3:.0f} ms, waited {waits[0] * 1e3:.0f} to {waits[-1] * 1e3:.0f} ms")  # noqa: T201
    assert waits[0] >= SOON


async def test_a_second_is_asked_when_the_first_does_not_begin(pairs: Pairs) -> None:
    """One of each maker's, for more than one of twenty calls nobody is asked twice. The first's socket is closed."""
    cells = [next(cell for cell in CELLS if cell.maker == maker and cell.stream) for maker in MAKERS]
    for cell in cells:
        model, wire = pairs.stage.name(cell, "hang=headers", f"-{NUMBERS['hedged']}"), Wire()
        asking = pairs.stage.start(cell, model, wire)
        exchange = await pairs.stage.exchange(model)
        assert (await asking).text == table.WORDS
        await exchange.wait_closed()
        assert wire.headers["x-runestone-provider"] == f"{SECOND[cell.maker]}{WELL}"
        assert wire.headers["x-runestone-attempts"] == "2"
        (record,) = await pairs.stage.records([model])
        assert record.status == 200
