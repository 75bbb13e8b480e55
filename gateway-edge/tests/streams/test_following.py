"""Where a stream is read on when what reads it is elsewhere, or gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chassis.errors import Reason, RunestoneError, to_message
from chassis.metrics import Metrics
from gateway_edge.call import Call, Followed
from gateway_edge.middleware.call_provider import CallProvider
from gateway_edge.streams.copies import Copies
from gateway_edge.streams.following import Follow
from gateway_edge.streams.note import StreamNote
from gateway_edge.streams.replicas import FlightReplicas
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import (
    Accepted,
    AttachRequest,
    AttachResponse,
    CallEvent,
    Completed,
    Data,
    Failed,
)
from runestone.stream.v1.stream_pb2 import ReadRequest, ReadResponse

BODY = b'{"model": "simulated", "messages": [], "stream": true}'
ACCEPTED = Accepted(provider="sim", model="m", attempt=1)
WHOLE = CallEvent(completed=Completed(finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=2)))
CUT = CallEvent(failed=Failed(error=to_message(RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut"))))
NOWHERE = RunestoneError(Reason.NOT_FOUND, "unknown")
DOWN = RunestoneError(Reason.UNAVAILABLE, "down")
LOST = RunestoneError(Reason.EVENTS_LOST, "gone")


def events(first: int, last: int) -> tuple[bytes, list[int]]:
    texts = [b"data: %d\n\n" % number for number in range(first, last + 1)]
    ends = [sum(map(len, texts[: n + 1])) for n in range(len(texts))]
    return b"".join(texts), ends


def said(first: int, last: int) -> CallEvent:
    body, ends = events(first, last)
    return CallEvent(data=Data(body=body, first_seq=first, ends=ends))


class Replica:
    """A provider-svc that says what it was told to say, after what each question begins with."""

    def __init__(self, *turns: list[Any]) -> None:
        self.turns = list(turns)
        self.asked: list[int] = []

    async def Attach(self, request: AttachRequest, *, metadata: Any = ()) -> AsyncIterator[AttachResponse]:
        self.asked.append(request.after_seq)
        for one in self.turns.pop(0):
            if isinstance(one, Exception):
                raise one
            yield one if isinstance(one, AttachResponse) else AttachResponse(events=[one])


class Store:
    """cache-svc's copies."""

    def __init__(self, *turn: Any) -> None:
        self.turn = turn
        self.asked: list[int] = []

    async def Read(self, request: ReadRequest, *, metadata: Any = ()) -> AsyncIterator[ReadResponse]:
        self.asked.append(request.after_seq)
        for one in self.turn:
            if isinstance(one, Exception):
                raise one
            yield one


def copied(first: int, last: int, end: bytes = b"") -> ReadResponse:
    body, ends = events(first, last)
    return ReadResponse(head=ACCEPTED.SerializeToString(), body=body, first_seq=first, ends=ends, end=end)


async def follow(call: Call, replicas: list[Replica], store: Store, after: int = 0) -> None:
    call.followed = Followed("req_0", StreamNote(call.endpoint.path, "simulated"), after)
    sources = Metrics().counter("streams_resumed", "x", ("source",))
    nothing: Any = None
    each = FlightReplicas(replicas[0], lambda: replicas)
    await CallProvider(Follow(each, Copies(store), nothing, sources), nothing)(call, nothing)


async def test_a_stream_is_read_on_where_it_is_read(make_call: Callable[..., Call]) -> None:
    call, here = make_call(BODY), Replica([CallEvent(accepted=ACCEPTED), said(4, 6), WHOLE])
    await follow(call, [here], Store(), after=3)
    assert (call.reply.body, call.reply.is_closed, here.asked) == (events(4, 6)[0], True, [3])
    assert call.outcome.usage is not None and not call.outcome.is_billed


async def test_other_replicas_are_asked_where_the_one_it_leads_to_knows_nothing(make_call: Callable[..., Call]) -> None:
    call, first, second = make_call(BODY), Replica([NOWHERE], [NOWHERE]), Replica([said(1, 2), WHOLE])
    await follow(call, [first, second], Store())
    assert call.reply.body == events(1, 2)[0]


async def test_a_stream_falls_to_who_is_told_to_settle_it(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY)
    await follow(call, [Replica([said(1, 2), AttachResponse(events=[WHOLE], settles=True)])], Store())
    assert call.outcome.is_billed and call.followed is not None and call.followed.settles


async def test_what_was_shared_stays_another_calls_to_pay(make_call: Callable[..., Call]) -> None:
    call, shared = make_call(BODY), CallEvent(accepted=Accepted(provider="sim", model="m", attempt=1, coalesced=True))
    await follow(call, [Replica([shared, said(1, 2), AttachResponse(events=[WHOLE], settles=True)])], Store())
    assert not call.outcome.is_billed


async def test_a_copy_with_its_end_is_the_whole_stream(make_call: Callable[..., Call]) -> None:
    call, store = make_call(BODY), Store(copied(2, 3), copied(4, 5, WHOLE.SerializeToString()))
    await follow(call, [Replica([NOWHERE])], store, after=1)
    assert (call.reply.body, call.reply.is_closed, store.asked) == (events(2, 5)[0], True, [1])


async def test_a_copy_without_its_end_is_an_honest_failure(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY)
    with pytest.raises(RunestoneError) as failed:
        await follow(call, [Replica([NOWHERE])], Store(copied(1, 5)))
    assert failed.value.reason is Reason.PROVIDER_STREAM_CUT
    assert call.reply.body == events(1, 5)[0] and not call.reply.is_closed


async def test_who_has_more_than_was_copied_is_told_that_the_rest_is_lost(make_call: Callable[..., Call]) -> None:
    """And not that there never was such a stream: it had most of it."""
    with pytest.raises(RunestoneError) as failed:
        await follow(
            make_call(BODY), [Replica([NOWHERE])], Store(ReadResponse(head=ACCEPTED.SerializeToString())), after=9
        )
    assert failed.value.reason is Reason.PROVIDER_STREAM_CUT


async def test_a_copied_failure_is_one(make_call: Callable[..., Call]) -> None:
    with pytest.raises(RunestoneError, match="cut"):
        await follow(make_call(BODY), [Replica([NOWHERE])], Store(copied(1, 5, CUT.SerializeToString())))


async def test_a_service_that_dies_in_the_middle_leaves_its_copy(make_call: Callable[..., Call]) -> None:
    """Nothing comes twice."""
    call, store = make_call(BODY), Store(copied(4, 6, WHOLE.SerializeToString()))
    await follow(call, [Replica([said(1, 3), DOWN])], store)
    assert (call.reply.body, store.asked) == (events(1, 6)[0], [3])


async def test_what_is_no_longer_beside_the_provider_comes_out_of_the_copy(make_call: Callable[..., Call]) -> None:
    call, here = make_call(BODY), Replica([LOST], [said(6, 8), WHOLE])
    await follow(call, [here], Store(copied(2, 5)), after=1)
    assert (call.reply.body, here.asked) == (events(2, 8)[0], [1, 5])


@pytest.mark.parametrize(
    ("live", "stored", "reason"),
    [
        (NOWHERE, NOWHERE, Reason.NOT_FOUND),
        (DOWN, NOWHERE, Reason.UNAVAILABLE),
        (NOWHERE, DOWN, Reason.UNAVAILABLE),
        (NOWHERE, LOST, Reason.EVENTS_LOST),
        (LOST, NOWHERE, Reason.EVENTS_LOST),
    ],
)
async def test_what_is_nowhere_is_said_to_be_so(
    make_call: Callable[..., Call], live: RunestoneError, stored: RunestoneError, reason: Reason
) -> None:
    with pytest.raises(RunestoneError) as failed:
        await follow(make_call(BODY), [Replica([live], [live])], Store(stored))
    assert failed.value.reason is reason


async def test_other_failures_are_told_as_they_are(make_call: Callable[..., Call]) -> None:
    refusal, store = RunestoneError(Reason.INVALID_REQUEST, "not so far"), Store()
    with pytest.raises(RunestoneError, match="not so far"):
        await follow(make_call(BODY), [Replica([refusal])], store)
    assert store.asked == []


async def test_a_reader_that_leaves_ends_its_rpc(make_call: Callable[..., Call]) -> None:
    ended = asyncio.Event()

    class Endless(Replica):
        async def Attach(self, request: AttachRequest, *, metadata: Any = ()) -> AsyncIterator[AttachResponse]:
            try:
                yield AttachResponse(events=[said(1, 1)])
                await asyncio.sleep(3600)
            finally:
                ended.set()

    reading = asyncio.create_task(follow(make_call(BODY), [Endless()], Store()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    assert ended.is_set()
