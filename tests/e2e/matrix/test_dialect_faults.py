"""A maker that fails in every known way, in every dialect, relayed and translated, whole and streamed: what each official SDK sees of it,
and what the mesh wrote down. Each test is a row of the table; it plays all its cells at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from dialect_stage import PATIENCE, Seen, Stage, Wire, staging, usage_of
from fake_provider.ports import unaccepting_port
from makers import CELLS, PATIENT, Cell, describe, mesh_of_makers
from real_mesh import Mesh
from sdk_clients import ChatClient, MessagesClient, ResponsesClient

from chassis.testing import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMED = [cell for cell in CELLS if cell.stream]
FROM_STREAMS = [
    cell for cell in CELLS if cell.stream or not cell.is_relayed
]  # a translated document is a stream upstream
WORDS = "rain ström 水 leaf naïve 🌲 stone Ωmega"  # what the fake says unless told otherwise
# The same makers, waited for less long, behind a port that nobody listens at, and behind one that accepts no connection.
HURRIED, IDLE, ABSENT, UNACCEPTING = "-hurried", "-idle", "-absent", "-unaccepting"


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    port = free_port()
    with unaccepting_port() as unaccepting:
        more = [
            *describe(port, HURRIED, PATIENT | {"first_byte": "400ms"}),
            *describe(port, IDLE, PATIENT | {"idle": "400ms"}),
            *describe(free_port(), ABSENT),
            *describe(unaccepting, UNACCEPTING, PATIENT | {"connect": "300ms"}),
        ]
        with mesh_of_makers(port=port, more=more) as running:
            yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(mesh: Mesh) -> AsyncIterator[Stage]:
    async with staging(mesh) as ready:
        yield ready


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nothing_is_left(stage: Stage) -> AsyncIterator[None]:
    """Behind every row: no call runs anywhere, no socket is open but those kept for the next call, nothing was counted twice."""
    yield
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await measure(stage.mesh)
            if not any(now[name] for name in RUNNING) and now["upstream_connections"] == stage.fake.connections.open:
                break
            await asyncio.sleep(0.02)
    records = stage.mesh.audit_records()
    for direction in ("input", "output"):
        recorded = sum(getattr(record.usage, f"{direction}_tokens") for record in records if record.attempts)
        assert recorded == now[f"tokens_total {direction}"], direction


RUNNING = ("calls_running", "upstream_running", "upstream_followers")


async def measure(mesh: Mesh) -> dict[str, float]:
    """The mesh's numbers; tokens by direction."""
    found = dict.fromkeys(("tokens_total input", "tokens_total output"), 0.0)
    async with aiohttp.ClientSession() as session, session.get(f"{mesh.admin_url}/metrics") as answer:
        for row in (await answer.text()).splitlines():
            name, _, value = row.removeprefix("runestone_").rpartition(" ")
            name, _, labels = name.partition("{")
            direction = next((f" {word}" for word in ("input", "output") if f'direction="{word}"' in labels), "")
            if not row.startswith("#") and "upstream_tokens" not in name:
                found[name + direction] = found.get(name + direction, 0.0) + float(value)
    return found


@dataclass(frozen=True)
class Fault:
    """What is wished, the status that it comes to, the words that must be said, milliseconds until which to wait (at least, at most), and
    which makers are asked. `usage` is what is known of what a stream cost; of a document that breaks off nothing is."""

    wish: str
    status: int
    words: str
    hint: tuple[int, int] | None = None
    makers: str = ""
    asked: int = 1
    usage: str = "none"


# What a client knows by its status, for nothing was sent before.
BEFORE = {
    "400": Fault("status=400", 400, "the fake provider says 400"),
    "401": Fault("status=401", 502, "the operator must check its api_key"),
    "404": Fault("status=404", 404, "the fake provider says 404"),
    "413": Fault("status=413", 413, "the fake provider says 413"),
    "422": Fault("status=422", 422, "the fake provider says 422"),
    "429, seconds": Fault("status=429,retry_after=2", 429, "the fake provider says 429", hint=(2000, 2000)),
    "429, ms": Fault("status=429,retry_after_ms=250", 429, "the fake provider says 429", hint=(250, 250)),
    "429, date": Fault("status=429,retry_after_date=60", 429, "the fake provider says 429", hint=(20_000, 60_000)),
    "500": Fault("status=500", 502, "the fake provider says 500"),
    "503": Fault("status=503,retry_after=1", 503, "the fake provider says 503", hint=(1000, 1000)),
    "529": Fault("status=529", 503, "the fake provider says 529"),
    "503 as a page": Fault("html_503", 503, "HTTP 503"),
    "200 as a page": Fault("html_200", 502, "not the JSON of its protocol"),
    "200 with an error": Fault("error_200", 502, "the fake provider says 200"),
    "redirect": Fault("redirect", 502, "HTTP 307"),
    "closed": Fault("close", 502, "closed the connection before it answered"),
    "reset": Fault("reset", 502, "closed the connection before it answered"),
    "headers never come": Fault("hang=headers", 504, "(first-byte timeout)", makers=HURRIED),
    "connecting hangs": Fault("words=1", 504, "(connect timeout)", makers=UNACCEPTING, asked=0),
    "nobody listens": Fault("words=1", 502, "cannot connect to provider", makers=ABSENT, asked=0),
    "lying gzip": Fault("lying_gzip", 502, "not HTTP as announced", usage="estimated"),
    "cut before an event is whole": Fault("cut=10", 502, "closed the connection before the end", usage="estimated"),
    "drips, and is cut": Fault("cut=15,drip=1", 502, "closed the connection before the end", usage="estimated"),
}
# What happens to a stream when a part of it is the client's already.
AMID = {
    "cut between events": Fault("cut_events=6", 502, "closed the connection before the end", usage="estimated"),
    "cut in an event": Fault("cut_inside=7", 502, "closed the connection before the end", usage="estimated"),
    "cut in a character": Fault("cut_character", 502, "closed the connection before the end", usage="estimated"),
    "drips, and is cut": Fault("cut=1500,drip=7", 502, "closed the connection before the end", usage="estimated"),
    "garbage": Fault("garbage", 502, "not the JSON of its protocol", usage="estimated"),
    "ends without its end": Fault("no_done", 502, "ended without saying so", usage="as far as said"),
    "an error": Fault("error_event=6", 502, "the fake provider broke off", usage="estimated"),
    "a failed response": Fault("failed_event=6", 502, "the fake provider broke off", usage="estimated"),
    "nothing comes any more": Fault("hang=body", 504, "(idle timeout)", makers=IDLE, usage="estimated"),
}
# What only looks like a fault.
HARMLESS = {
    "drips": "drip=7",
    "lines end with CRLF": "crlf",
    "comments": "comments",
    "gzip": "gzip",
    "slow": "pace=5ms",
}

# An SDK's exception, by status; in the middle of a stream the status was 200.
OPENAIS = {
    400: "BadRequestError",
    404: "NotFoundError",
    413: "APIStatusError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    502: "InternalServerError",
    503: "InternalServerError",
    504: "InternalServerError",
}
ANTHROPICS = OPENAIS | {413: "ContentTooLargeError", 503: "ServiceUnavailableError", 504: "GatewayTimeoutError"}
RAISED = {
    ChatClient.name: OPENAIS | {200: "APIError"},
    ResponsesClient.name: OPENAIS | {200: "RuntimeError"},  # its accumulator's, which misses `response.completed`
    MessagesClient.name: ANTHROPICS | {200: "APIStatusError"},
}
OPENAI_TYPES = {
    **dict.fromkeys((400, 404, 413, 422), "invalid_request_error"),
    429: "rate_limit_error",
    502: "upstream_error",
    503: "overloaded_error",
    504: "timeout_error",
}
ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def expect(fault: Fault, cell: Cell, *, amid: bool = False) -> Seen:
    """What the client of `cell` must see."""
    is_begun = amid and cell.stream
    kinds = ANTHROPIC_TYPES if cell.client == MessagesClient.name else OPENAI_TYPES
    return Seen(
        raised=RAISED[cell.client][200 if is_begun else fault.status],
        status=200 if is_begun else fault.status,
        kind="error" if is_begun and cell.client == ResponsesClient.name else kinds[fault.status],
        words=fault.words,
        hint="" if fault.hint is None else f"{fault.hint}",
        looks_whole=False,
        asked=fault.asked,
        recorded=fault.status,
        usage=expect_usage(fault, cell),
    )


def expect_usage(fault: Fault, cell: Cell) -> str:
    if not cell.stream and cell.is_relayed:
        return "none"
    if fault.usage == "as far as said":  # Responses count in the event that did not come, the others before
        return "estimated" if cell.language == "responses" else "counted"
    return fault.usage


def simplify(seen: Seen, fault: Fault) -> Seen:
    """With the expected words, and the expected hint, where they are as they must be."""
    words = fault.words if fault.words in seen.words else seen.words
    is_exact = fault.hint is not None and seen.hint and fault.hint[0] <= int(seen.hint) <= fault.hint[1]
    return replace(seen, words=words, hint=f"{fault.hint}" if is_exact else seen.hint)


async def play(stage: Stage, fault: Fault, cells: list[Cell]) -> dict[Cell, Seen]:
    models = [stage.name(cell, fault.wish, fault.makers) for cell in cells]
    seen = await asyncio.gather(*(stage.play(cell, model) for cell, model in zip(cells, models, strict=True)))
    return {cell: simplify(one, fault) for cell, one in zip(cells, seen, strict=True)}


@pytest.mark.parametrize("name", BEFORE)
async def test_a_fault_before_the_first_byte_is_a_status_that_the_sdk_knows(stage: Stage, name: str) -> None:
    fault = BEFORE[name]
    assert await play(stage, fault, CELLS) == {cell: expect(fault, cell) for cell in CELLS}


@pytest.mark.parametrize("name", AMID)
async def test_a_stream_that_breaks_never_looks_whole(stage: Stage, name: str) -> None:
    """Every SDK raises, in a stream as of a document that was put together from one. What passed is paid."""
    fault = AMID[name]
    faults = {cell: of_maker(fault, cell) for cell in FROM_STREAMS}
    expected = {cell: expect(faults[cell], cell, amid=True) for cell in FROM_STREAMS}
    assert await play(stage, fault, FROM_STREAMS) == expected


def of_maker(fault: Fault, cell: Cell) -> Fault:
    """Anthropic breaks off because it is overloaded."""
    says_so = cell.maker == "Anthropic" and "the fake provider broke off" in fault.words
    return replace(fault, status=503) if says_so else fault


@pytest.mark.parametrize("name", HARMLESS)
async def test_what_only_looks_like_a_fault_is_none(stage: Stage, name: str) -> None:
    fault = Fault(HARMLESS[name], 200, WORDS)
    whole = Seen("", 200, "", WORDS, "", looks_whole=True, asked=1, recorded=200, usage="counted")
    expected = {cell: replace(whole, looks_whole=cell.stream) for cell in CELLS}
    assert await play(stage, fault, CELLS) == expected


async def test_a_huge_event_is_passed_on_and_one_that_is_too_large_is_refused(stage: Stage) -> None:
    """One after another: each is 17 MiB."""
    for cell in STREAMED:
        large, too_large = Fault("huge=1MiB", 200, "x" * (1 << 20)), Fault("huge=17MiB", 502, "an event larger than")
        passed = (await play(stage, large, [cell]))[cell]
        assert (passed.raised, passed.words == large.words, passed.usage) == ("", True, "counted")
        refused = (await play(stage, too_large, [cell]))[cell]
        assert refused.raised in {RAISED[cell.client][200], RAISED[cell.client][502]}
        assert (refused.words, refused.recorded, refused.looks_whole) == (too_large.words, 502, False)


@dataclass(frozen=True)
class Leaving:
    """When a client leaves: `wish`, for as many bytes as it waits, and what is known of the cost then."""

    wish: str
    size: int
    usage: str


ENDLESS = "words=2000,pace=10ms"
LEAVING = {
    "before the first byte": Leaving("latency=30s", 0, "none"),
    "in the middle": Leaving(ENDLESS, 1_500, "estimated"),
}


@pytest.mark.parametrize("when", LEAVING)
async def test_a_client_that_leaves_takes_the_makers_socket_along(stage: Stage, when: str) -> None:
    """Of a document nothing is the client's before all is: it leaves while the maker writes, or before that. Its record says 499."""
    leaving = LEAVING[when]

    async def leave(cell: Cell) -> tuple[str, int, str, int]:
        wish = leaving.wish if cell.stream or not leaving.size else f"{ENDLESS},drip=50"
        model, wire = stage.name(cell, wish), Wire()
        task = stage.start(cell, model, wire)
        exchange = await stage.exchange(model)
        if leaving.size:
            await (wire.wait_for(leaving.size) if cell.stream else exchange.wait_written(500))
        task.cancel()
        await asyncio.wait([task])
        await exchange.wait_closed()
        (record,) = await stage.records([model])
        return (
            ("left" if task.cancelled() else repr(task)),
            record.status,
            usage_of(record),
            len(stage.exchanges(model)),
        )

    left = dict(zip(CELLS, await asyncio.gather(*map(leave, CELLS)), strict=True))
    assert left == {cell: ("left", 499, leaving.usage if cell.stream else "none", 1) for cell in CELLS}


@pytest.mark.parametrize(("wish", "amid"), [("latency=30s", False), (ENDLESS, True)], ids=["before", "amid"])
async def test_a_clients_own_deadline_ends_the_call_everywhere(stage: Stage, wish: str, amid: bool) -> None:
    """The maker's socket is closed, and the client told. In a stream there is time for a beginning, also where the machine is busy. What
    is known of a document's cost depends on who noticed first, the edge or provider-svc."""
    fault = Fault(f"{wish},drip=50" if amid else wish, 504, "the call", usage="estimated" if amid else "none")

    async def outlast(cell: Cell) -> Seen:
        model = stage.name(cell, fault.wish)
        seen = await stage.play(cell, model, {"x-runestone-timeout-ms": "2000" if amid and cell.stream else "1500"})
        await stage.exchanges(model)[0].wait_closed()
        return forget_usage(cell, simplify(seen, fault))

    seen = dict(zip(CELLS, await asyncio.gather(*map(outlast, CELLS)), strict=True))
    assert seen == {cell: forget_usage(cell, expect(fault, cell, amid=amid)) for cell in CELLS}


def forget_usage(cell: Cell, seen: Seen) -> Seen:
    return seen if cell.stream else replace(seen, usage="")


async def test_what_went_wrong_before_leaves_the_next_call_whole(stage: Stage) -> None:
    """Also on connections that are kept."""
    whole: Any = {cell: seen.words for cell, seen in (await play(stage, Fault("words=8", 200, WORDS), CELLS)).items()}
    assert whole == dict.fromkeys(CELLS, WORDS)
