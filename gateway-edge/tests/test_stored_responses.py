"""Where responses are, as the edge learns it from answers and tells it to those who ask."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import orjson
import pytest

from chassis.config.schema import Scopes
from chassis.errors import Reason, RunestoneError
from chassis.testing import FakeClock
from gateway_edge.asking.begin import Begin
from gateway_edge.call import Call
from gateway_edge.callers.scopes import Scope
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.call_provider import CallProvider
from gateway_edge.middleware.find_stored import FindStored
from gateway_edge.stored.place import Place, read_place, write_place
from gateway_edge.stored.places import Places
from runestone.common.v1.cost_pb2 import Rates, Tariff
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import (
    Accepted,
    CallEvent,
    CallRequest,
    CallResponse,
    Completed,
    Data,
    Resource,
)

RESPONSES = ENDPOINTS["/v1/responses"]
DOCUMENT = b'{"id": "resp_1", "object": "response", "output": []}'
CREATED = b'event: response.created\ndata: {"type": "response.created", "response": {"id": "resp_1"}}\n\n'
DELTA = b'event: response.output_text.delta\ndata: {"type": "response.output_text.delta", "delta": "x"}\n\n'
END = b'event: response.completed\ndata: {"type": "response.completed", "response": {"id": "resp_1"}}\n\n'
HERE = Place("sim", "simulated")


no_streams: Any = None  # no response came in a stream that can be read on


def no_stream_is_left(call: Call) -> None:
    raise AssertionError("only resumable calls are")


def body(**members: object) -> bytes:
    return orjson.dumps({"model": "simulated", "input": "hi", **members})


def accepted(**said: Any) -> CallEvent:
    return CallEvent(accepted=Accepted(provider="sim", model="theirs", attempt=1, **said))


def data(part: bytes) -> CallEvent:
    return CallEvent(data=Data(body=part, first_seq=1, ends=[len(part)]))


def whole(**said: Any) -> CallEvent:
    return CallEvent(completed=Completed(**said))


class Provider:
    """provider-svc: says a message at a time, each when it is let."""

    def __init__(self, *messages: list[CallEvent]) -> None:
        self.messages = messages
        self.requests: list[CallRequest] = []

    async def is_connected_within(self, timeout: float) -> bool:
        return True

    async def Call(self, request: CallRequest, *, metadata: Any = ()) -> AsyncIterator[CallResponse]:
        self.requests.append(request)
        for events in self.messages:
            yield CallResponse(events=events)


async def run(call: Call, places: Places, *messages: list[CallEvent]) -> Provider:
    provider = Provider(*messages)

    async def nobody(call: Call) -> None:
        raise AssertionError("it is the last")

    await CallProvider(Begin(provider, provider, places, no_stream_is_left), places)(call, nobody)
    return provider


def found(notes: Any, tenant: str = "acme") -> Place | None:
    note = notes.notes.get((tenant, "resp_1"))
    return None if note is None else read_place(note)


MakeCall = Callable[..., Call]


async def test_whoever_has_seen_a_document_can_rely_on_it(make_call: MakeCall, places: Places, notes: Any) -> None:
    call = make_call(body(), endpoint=RESPONSES)
    notes.gate.clear()
    answering = asyncio.create_task(run(call, places, [accepted(), data(DOCUMENT), whole()]))
    while not notes.asked:
        await asyncio.sleep(0)
    assert call.reply.body == b""
    notes.gate.set()
    await answering
    assert call.reply.body == DOCUMENT and found(notes) == HERE


async def test_a_stream_waits_for_its_note_only_at_its_end(make_call: MakeCall, places: Places, notes: Any) -> None:
    call = make_call(body(stream=True), endpoint=RESPONSES)
    notes.gate.clear()
    messages = ([accepted(), data(CREATED)], [data(DELTA)], [data(END)], [whole()])
    answering = asyncio.create_task(run(call, places, *messages))
    while call.reply.body != CREATED + DELTA:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert call.reply.body == CREATED + DELTA
    notes.gate.set()
    await answering
    assert call.reply.body == CREATED + DELTA + END and found(notes) == HERE


async def test_a_stream_in_the_background_can_be_asked_for_from_its_first_event_on(
    make_call: MakeCall, places: Places, notes: Any
) -> None:
    call = make_call(body(stream=True, background=True), endpoint=RESPONSES)
    notes.gate.clear()
    answering = asyncio.create_task(run(call, places, [accepted(), data(CREATED)], [data(END)], [whole()]))
    while not notes.asked:
        await asyncio.sleep(0)
    assert call.reply.body == b""
    notes.gate.set()
    await answering
    assert call.reply.body == CREATED + END


async def test_a_client_that_leaves_in_the_middle_may_ask_for_the_response(
    make_call: MakeCall, places: Places, notes: Any
) -> None:
    call = make_call(body(stream=True), endpoint=RESPONSES)

    async def gone(events: bytes) -> None:
        raise ConnectionError("gone")

    call.reply.write = gone
    with pytest.raises(ConnectionError):
        await run(call, places, [accepted(), data(CREATED)])
    while found(notes) is None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_down", [False, True])
async def test_an_answer_is_given_whatever_becomes_of_the_note(
    make_call: MakeCall, places: Places, notes: Any, is_down: bool
) -> None:
    notes.is_down = is_down
    call = make_call(body(), endpoint=RESPONSES)
    await run(call, places, [accepted(), data(DOCUMENT), whole()])
    assert call.reply.body == DOCUMENT and (found(notes) is None) == is_down


async def test_where_no_more_can_be_noted_what_was_is_found(make_call: MakeCall, places: Places, notes: Any) -> None:
    notes.notes["acme", "resp_0"] = write_place(HERE)
    notes.is_full = True
    for _ in range(8):
        await run(make_call(body(), endpoint=RESPONSES), places, [accepted(), data(DOCUMENT), whole()])
    assert await places.find("acme", "resp_0") == HERE


async def test_a_target_that_brought_nothing_does_not_keep_what_the_next_stored_from_being_noted(
    make_call: MakeCall, places: Places, notes: Any
) -> None:
    call = make_call(body(), endpoint=RESPONSES)
    await run(call, places, [accepted(translated=True), accepted(), data(DOCUMENT), whole()])
    assert len(notes.notes) == 1


@pytest.mark.parametrize(
    ("path", "members", "said"),
    [
        ("/v1/responses", {"store": False}, {}),
        ("/v1/responses", {}, {"translated": True}),
        ("/v1/responses", {}, {"coalesced": True}),
        ("/v1/chat/completions", {"messages": []}, {}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_not_stored_for_this_call_is_not_noted(
    make_call: MakeCall, places: Places, notes: Any, path: str, members: Any, said: Any, stream: bool
) -> None:
    call = make_call(body(stream=stream, **members), endpoint=ENDPOINTS[path])
    parts = [data(CREATED), data(END)] if stream else [data(DOCUMENT)]
    await run(call, places, [accepted(**said), *parts, whole()])
    assert notes.asked == []


async def test_who_remains_of_those_who_shared_a_call_has_its_response(
    make_call: MakeCall, places: Places, notes: Any
) -> None:
    call = make_call(body(), endpoint=RESPONSES)
    await run(call, places, [accepted(coalesced=True), data(DOCUMENT), whole(keeper=True)])
    assert found(notes) == HERE


async def test_a_call_that_goes_on_is_for_the_provider_that_has_what_came_before(
    make_call: MakeCall, places: Places, notes: Any
) -> None:
    notes.notes["acme", "resp_0"] = write_place(HERE)
    call = make_call(body(previous_response_id="resp_0"), endpoint=RESPONSES)
    provider = await run(call, places, [accepted(), data(DOCUMENT), whole()])
    assert provider.requests[0].provider == "sim"


@pytest.mark.parametrize("asked", ["resp_0", "", "../x", "é", "x" * 300])
@pytest.mark.parametrize("why", ["unknown", "another tenant's", "elsewhere", "of another model"])
async def test_what_nobody_has_for_the_caller_cannot_be_gone_on_with(
    make_call: MakeCall, places: Places, notes: Any, asked: str, why: str
) -> None:
    call = make_call(body(previous_response_id=asked), endpoint=RESPONSES)
    if why == "another tenant's":
        notes.notes["other", "resp_0"] = write_place(HERE)
    elif why == "elsewhere":
        notes.notes["acme", "resp_0"] = write_place(Place("gone", "simulated"))
    elif why == "of another model":
        notes.notes["acme", "resp_0"] = write_place(Place("sim", "secret"))
        call.principal = bound_to_simulated(call)
    with pytest.raises(RunestoneError) as refused:
        await run(call, places)
    error = refused.value
    assert (error.reason, error.code) == (Reason.INVALID_REQUEST, "previous_response_not_found")
    assert (error.param, error.message) == (
        "previous_response_id",
        f"Previous response with id '{asked[:255]}' not found.",
    )


async def test_nobody_guesses_while_it_cannot_be_told_who_has_a_response(
    make_call: MakeCall, places: Places, notes: Any, clock: FakeClock
) -> None:
    """And after a few failures nobody waits for it."""
    notes.is_down = True
    for _ in range(8):
        with pytest.raises(RunestoneError) as refused:
            await run(make_call(body(previous_response_id="resp_0"), endpoint=RESPONSES), places)
        assert refused.value.reason is Reason.UNAVAILABLE and refused.value.retry_after
    assert len(notes.asked) == 5
    notes.is_down = False
    clock.advance(1.1)
    with pytest.raises(RunestoneError, match="not found"):
        await run(make_call(body(previous_response_id="resp_0"), endpoint=RESPONSES), places)


def bound_to_simulated(call: Call) -> Any:
    return dataclasses.replace(call.caller, scope=Scope.of([Scopes(models=["simulated"])]))


@pytest.fixture
def ask_for(make_call: MakeCall, places: Places, catalog: Any) -> Callable[..., Any]:
    """Asks for a stored response; gives the call as it goes on."""

    async def ask(
        spelled: str, *, method: str = "GET", query: str = "", tenant: str | None = "acme", bound: bool = False
    ) -> Call:
        call = make_call(endpoint=RESPONSES, tenant=tenant or "")
        if bound:
            call.principal = bound_to_simulated(call)
        call.question = call.body = call.document = None
        if tenant is None:
            call.principal = None
        _, _, rest = spelled.removeprefix("/v1/responses/").partition("/")
        template = "/v1/responses/{id}" + (f"/{rest}" if rest else "")
        call.arrival = msgspec.structs.replace(
            call.arrival, method=method, endpoint=spelled, template=template, query=query
        )
        went_on: list[Call] = []

        async def proceed(call: Call) -> None:
            went_on.append(call)

        await FindStored(places, catalog, no_streams)(call, proceed)
        assert went_on == [call]
        return call

    return ask


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/v1/responses/resp_1", Resource.ACTION_GET),
        ("DELETE", "/v1/responses/resp_1", Resource.ACTION_DELETE),
        ("POST", "/v1/responses/resp_1/cancel", Resource.ACTION_CANCEL),
        ("GET", "/v1/responses/resp_1/input_items", Resource.ACTION_INPUT_ITEMS),
    ],
)
async def test_what_is_asked_of_a_response_goes_to_who_has_it(
    ask_for: Any, places: Places, notes: Any, method: str, path: str, action: Any
) -> None:
    notes.notes["acme", "resp_1"] = write_place(HERE)
    call = await ask_for(path, method=method)
    request = (await run(call, places, [accepted(), data(DOCUMENT), whole()])).requests[0]
    assert (request.provider, request.model, request.resource.action, request.resource.id) == (
        "sim",
        "simulated",
        action,
        "resp_1",
    )
    assert (request.body, request.coalesce_key, request.stream) == (b"", b"", False)
    assert call.reply.body == DOCUMENT


async def test_what_was_stored_is_nobodys_debt_again(ask_for: Any, places: Places, notes: Any) -> None:
    """Not even of a stream that its reader leaves."""
    notes.notes["acme", "resp_1"] = write_place(HERE)
    rates = Rates(tariffs=[Tariff(input=1_000_000, output=2_000_000)])
    call = await ask_for("/v1/responses/resp_1", query="stream=true")

    async def gone(events: bytes) -> None:
        raise ConnectionError("gone")

    call.reply.write = gone
    with pytest.raises(ConnectionError):
        await run(call, places, [accepted(rates=rates), data(DELTA), whole(usage=Usage(output_tokens=3))])
    assert (call.outcome.usage, call.outcome.cost) == (None, None)
    assert call.reply.headers["x-runestone-cost"] == "0"
    assert len(notes.asked) == 1  # nothing is noted of what is read


@pytest.mark.parametrize("why", ["unknown", "another tenant's", "of another model", "no id"])
async def test_what_is_not_the_callers_is_not_there(ask_for: Any, notes: Any, why: str) -> None:
    if why == "another tenant's":
        notes.notes["other", "resp_1"] = write_place(HERE)
    elif why == "of another model":
        notes.notes["acme", "resp_1"] = write_place(Place("sim", "secret"))
    asked = "%2e%2e" if why == "no id" else "resp_1"
    with pytest.raises(RunestoneError) as refused:
        await ask_for(f"/v1/responses/{asked}", bound=why == "of another model")
    assert refused.value.reason is Reason.NOT_FOUND
    assert refused.value.message == f"Response with id '{asked}' not found."


async def test_a_model_that_has_gone_keeps_nobody_from_what_it_made(ask_for: Any, notes: Any) -> None:
    notes.notes["acme", "resp_1"] = write_place(Place("sim", "gone"))
    call = await ask_for("/v1/responses/resp_1")
    assert (call.asked.view.model, call.provider) == ("gone", "sim")
    assert call.asked.route.name == "sim/*"  # a name of the client's own would label metrics


async def test_who_is_nobody_has_no_responses(ask_for: Any, notes: Any) -> None:
    with pytest.raises(RunestoneError) as refused:
        await ask_for("/v1/responses/resp_1", tenant=None)
    assert refused.value.reason is Reason.AUTHENTICATION_FAILED and notes.asked == []


async def test_nothing_is_said_of_a_response_while_nobody_can_say(ask_for: Any, notes: Any) -> None:
    notes.is_down = True
    with pytest.raises(RunestoneError) as refused:
        await ask_for("/v1/responses/resp_1")
    assert (refused.value.reason, refused.value.code) == (Reason.UNAVAILABLE, "stored_responses_unavailable")
