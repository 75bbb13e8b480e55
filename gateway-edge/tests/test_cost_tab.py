"""What a client is billed for that leaves in the middle of a stream."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.asking.begin import Begin
from gateway_edge.call import Call
from gateway_edge.middleware.call_provider import CallProvider
from runestone.common.v1.cost_pb2 import Cost, Rates, Tariff
from runestone.common.v1.error_pb2 import Error
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import Accepted, CallEvent, CallResponse, Completed, Data, Failed

RATES = Rates(tariffs=[Tariff(input=1_000_000, output=2_000_000)])  # a billionth a token read, two a token written
STREAM = b'{"model": "simulated", "stream": true, "messages": [{"role": "user", "content": "hello"}]}'
EVENT = b'data: {"choices": [{"delta": {"content": "12345678"}}]}\n\n'
READ = -(-len(STREAM) // 4)


def accepted(**members: object) -> CallEvent:
    return CallEvent(accepted=Accepted(provider="p", model="m", attempt=1, **{"rates": RATES, **members}))


def data(usage: Usage | None = None) -> CallEvent:
    return CallEvent(data=Data(body=EVENT, first_seq=1, ends=[len(EVENT)], usage=usage))


def completed(**members: object) -> CallEvent:
    return CallEvent(completed=Completed(finish_reason="stop", **members))


class Models:
    """provider-svc that says what it is given, a message each, then nothing more."""

    def __init__(self, *messages: list[CallEvent], ends: bool = True) -> None:
        self.messages, self.ends = messages, ends

    async def Call(self, request: object, *, metadata: object = ()) -> AsyncIterator[CallResponse]:
        for events in self.messages:
            yield CallResponse(events=events)
        if not self.ends:
            await asyncio.Event().wait()


class Connected:
    async def is_connected_within(self, timeout: float) -> bool:
        return True


async def write_to_nobody(events: bytes) -> None:
    raise ConnectionError("gone")


async def answer(call: Call, *messages: list[CallEvent], ends: bool = True) -> None:
    await CallProvider(Begin(Models(*messages, ends=ends), Connected(), None, None), None)(call, None)


@pytest.fixture
def stream(make_call: Callable[..., Call]) -> Call:
    return make_call(STREAM)


async def left(call: Call, *messages: list[CallEvent]) -> None:
    """The client hangs up while more is waited for."""
    task = asyncio.create_task(answer(call, *messages, ends=False))
    while not call.reply.body:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_client_that_leaves_is_billed_for_what_passed(stream: Call) -> None:
    await left(stream, [accepted(), data(), data()])
    assert stream.outcome.usage == Usage(input_tokens=READ, output_tokens=4, is_estimated=True)
    assert stream.outcome.cost == Cost(nano_usd=READ + 8, is_estimated=True)


async def test_what_the_provider_counted_on_the_way_stands(stream: Call) -> None:
    await left(stream, [accepted(), data(Usage(input_tokens=1000, output_tokens=1))])
    assert stream.outcome.usage == Usage(input_tokens=1000, output_tokens=2, is_estimated=True)
    assert stream.outcome.cost == Cost(nano_usd=1004, is_estimated=True)


async def test_without_rates_the_usage_is_known_and_the_cost_is_not(stream: Call) -> None:
    await left(stream, [accepted(rates=None), data()])
    assert stream.outcome.usage is not None
    assert stream.outcome.cost is None


async def test_one_that_shared_anothers_call_owes_nothing(stream: Call) -> None:
    await left(stream, [accepted(coalesced=True), data()])
    assert (stream.outcome.usage, stream.outcome.cost) == (None, None)


async def test_what_is_no_stream_of_text_is_not_estimated(make_call: Callable[..., Call]) -> None:
    """Sound is passed on as it comes, too."""
    call = make_call()
    await left(call, [accepted(content_type="audio/mpeg"), data()])
    assert call.outcome.usage is None


async def test_a_call_that_nobody_accepted_costs_nothing(stream: Call) -> None:
    with pytest.raises(RunestoneError):
        await answer(stream)
    assert (stream.outcome.usage, stream.outcome.cost) == (None, None)


async def test_an_end_that_came_with_what_the_client_did_not_take_counts(stream: Call) -> None:
    """A short answer is often there as a whole when its client is found to be gone."""
    stream.reply.write = write_to_nobody
    usage, cost = Usage(input_tokens=5, output_tokens=6), Cost(nano_usd=17)
    with pytest.raises(ConnectionError):
        await answer(stream, [accepted(), data(), data(), completed(usage=usage, cost=cost)])
    assert (stream.outcome.usage, stream.outcome.cost) == (usage, cost)
    assert not stream.outcome.is_complete


async def test_a_provider_service_that_dies_in_the_middle_leaves_what_passed(stream: Call) -> None:
    with pytest.raises(RunestoneError):
        await answer(stream, [accepted(), data()])
    assert stream.outcome.cost == Cost(nano_usd=READ + 4, is_estimated=True)


async def test_what_a_failure_says_is_not_estimated_again(stream: Call) -> None:
    error = Error(reason=Reason.PROVIDER_STREAM_CUT.number, message="cut")
    failed = Failed(error=error, attempt=1, usage=Usage(input_tokens=3, output_tokens=1), cost=Cost(nano_usd=9))
    with pytest.raises(RunestoneError):
        await answer(stream, [accepted(), data(), CallEvent(failed=failed)])
    assert stream.outcome.usage == failed.usage
    assert stream.outcome.cost == failed.cost


async def test_of_a_document_nobody_knows_what_it_would_have_been(make_call: Callable[..., Call]) -> None:
    call = make_call()
    with pytest.raises(RunestoneError):
        await answer(call, [accepted()])
    assert (call.outcome.usage, call.outcome.cost) == (None, None)


@pytest.mark.parametrize(
    ("cost", "told"), [(Cost(nano_usd=123_000), "0.000123"), (Cost(nano_usd=0), "0"), (None, None)]
)
async def test_a_document_tells_its_cost(make_call: Callable[..., Call], cost: Cost | None, told: str | None) -> None:
    call = make_call()
    await answer(call, [accepted(), data(), completed(usage=Usage(input_tokens=1), cost=cost)])
    assert call.reply.headers.get("x-runestone-cost") == told
    assert call.reply.headers.get("x-litellm-response-cost") == told
    assert call.outcome.cost == cost


async def test_one_that_shares_anothers_call_is_told_that_it_cost_nothing(make_call: Callable[..., Call]) -> None:
    """Its record says what the other one cost."""
    call = make_call()
    await answer(call, [accepted(coalesced=True), data(), completed(usage=Usage(), cost=Cost(nano_usd=7))])
    assert call.reply.headers["x-runestone-cost"] == "0"
    assert call.outcome.cost == Cost(nano_usd=7)


async def test_a_stream_has_no_cost_in_its_headers(stream: Call) -> None:
    await answer(stream, [accepted(), data(), completed(usage=Usage(input_tokens=1), cost=Cost(nano_usd=7))])
    assert "x-runestone-cost" not in stream.reply.headers
    assert stream.outcome.cost == Cost(nano_usd=7)
