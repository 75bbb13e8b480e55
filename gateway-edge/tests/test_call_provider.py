"""What is asked of provider-svc at each endpoint, and how its answer reaches the client."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from chassis.config import Route
from chassis.config.models import Target
from chassis.errors import Reason, RunestoneError, to_message
from chassis.routing.resolution import Resolution, Step
from gateway_edge.asking.begin import Begin
from gateway_edge.audit_record import describe_call
from gateway_edge.call import Call
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.call_provider import CallProvider
from gateway_edge.question.form import Form
from runestone.common.v1.attempt_pb2 import Attempt
from runestone.provider.v1.provider_pb2 import (
    Accepted,
    CallEvent,
    CallRequest,
    CallResponse,
    Completed,
    Data,
    Failed,
)

BODY = orjson.dumps({"model": "simulated", "messages": [], "prompt": "x", "input": "x", "query": "x", "documents": []})
SENT = {
    "openai-beta": "assistants=v2",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "a,b",
    "authorization": "Bearer secret",
    "content-type": "application/json",
    "cookie": "c",
}
TRIED = Attempt(provider="fake", model="m", why="weighted", reason=Reason.PROVIDER_TIMEOUT.number)
CUT = RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut")


def accepted(**said: Any) -> CallEvent:
    return CallEvent(accepted=Accepted(provider="sim", model="simulated", attempt=1, **said))


def data(*parts: bytes) -> list[CallEvent]:
    return [CallEvent(data=Data(body=part)) for part in parts]


WHOLE = CallEvent(completed=Completed(finish_reason="stop"))
FAILED = CallEvent(failed=Failed(error=to_message(CUT), provider="sim", model="simulated", attempt=1))


class FakeModels:
    """provider-svc: says what it was told to say."""

    def __init__(self, *events: CallEvent) -> None:
        self.events = events
        self.requests: list[CallRequest] = []

    async def is_connected_within(self, timeout: float) -> bool:
        return True

    async def Call(self, request: CallRequest, *, metadata: Any = ()) -> AsyncIterator[CallResponse]:
        self.requests.append(request)
        yield CallResponse(events=self.events)


async def run(call: Call, *events: CallEvent) -> CallRequest:
    models = FakeModels(*events)

    async def nobody(call: Call) -> None:
        raise AssertionError("it is the last")

    nowhere: Any = None  # no response is stored here
    await CallProvider(Begin(models, models, nowhere, nowhere), nowhere)(call, nobody)
    return models.requests[0]


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_the_request_says_its_dialect_and_carries_only_its_makers_headers(
    make_call: Callable[..., Call], path: str
) -> None:
    endpoint = ENDPOINTS[path]
    call = make_call(BODY, endpoint=endpoint, headers=SENT)
    request = await run(call, accepted(), *data(b"{}"), WHOLE)
    assert (request.dialect, request.body, request.model) == (endpoint.dialect, BODY, "simulated")
    assert dict(request.headers) == {name: SENT[name] for name in endpoint.headers}
    assert request.content_type == ""


@pytest.mark.parametrize("value", ["\udcff", "é"])
def test_a_header_that_no_provider_could_be_sent_is_refused(value: str) -> None:
    """Bytes that are no UTF-8 fit into no message: the call crashed."""
    with pytest.raises(RunestoneError) as refusal:
        ENDPOINTS["/v1/messages"].pick_headers({"anthropic-beta": value})
    assert (refusal.value.reason, refusal.value.param) == (Reason.INVALID_REQUEST, "anthropic-beta")


async def test_a_forms_content_type_goes_with_it(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY, endpoint=ENDPOINTS["/v1/audio/transcriptions"], headers={"content-type": "multipart/x"})
    call.asked.form = Form((), {})
    assert (await run(call, accepted(), *data(b"{}"), WHOLE)).content_type == "multipart/x"


async def test_sound_is_passed_on_as_it_comes(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY, endpoint=ENDPOINTS["/v1/audio/speech"])
    await run(call, accepted(content_type="audio/mpeg"), *data(b"\xff", b"\xfb"), WHOLE)
    assert (call.reply.content_type, call.reply.body, call.reply.is_closed) == ("audio/mpeg", b"\xff\xfb", True)
    assert call.outcome.is_complete


async def test_sound_that_breaks_off_is_not_ended(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY, endpoint=ENDPOINTS["/v1/audio/speech"])
    with pytest.raises(RunestoneError, match="cut"):
        await run(call, accepted(content_type="audio/mpeg"), *data(b"\xff"), FAILED)
    assert call.reply.body == b"\xff" and not call.reply.is_closed


async def test_sound_without_its_end_is_cut(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY, endpoint=ENDPOINTS["/v1/audio/speech"])
    with pytest.raises(RunestoneError) as failed:
        await run(call, accepted(content_type="audio/mpeg"), *data(b"\xff"))
    assert failed.value.reason is Reason.PROVIDER_STREAM_CUT and not call.reply.is_closed


async def test_sound_in_place_of_events_is_no_answer(make_call: Callable[..., Call]) -> None:
    """A ping may have begun the events."""
    body = orjson.dumps({"model": "simulated", "input": "x", "stream_format": "sse"})
    call = make_call(body, endpoint=ENDPOINTS["/v1/audio/speech"])
    with pytest.raises(RunestoneError) as failed:
        await run(call, accepted(content_type="audio/mpeg"), *data(b"\xff"), WHOLE)
    assert failed.value.reason is Reason.PROVIDER_INVALID_ANSWER and call.reply.body == b""


async def test_a_document_is_sent_when_it_is_whole(make_call: Callable[..., Call]) -> None:
    call = make_call(BODY, endpoint=ENDPOINTS["/v1/embeddings"])
    await run(call, accepted(), *data(b'{"data"', b": []}"), WHOLE)
    assert (call.reply.content_type, call.reply.body) == ("application/json", b'{"data": []}')


async def test_what_was_dropped_is_told_to_the_client_and_stands_on_record(make_call: Callable[..., Call]) -> None:
    call = make_call()
    await run(call, accepted(dropped=["top_k", "messages[2].cache_control"]), *data(b"{}"), WHOLE)
    assert call.reply.headers["x-runestone-dropped"] == "top_k, messages[2].cache_control"
    assert list(describe_call(call, 1.0).dropped) == ["top_k", "messages[2].cache_control"]


async def test_of_two_targets_that_took_a_call_the_one_that_answered_is_told_of(make_call: Callable[..., Call]) -> None:
    """The first was asked in another language, and brought nothing."""
    call = make_call()
    await run(call, accepted(dropped=["top_k"], translated=True), accepted(), *data(b"{}"), WHOLE)
    assert "x-runestone-dropped" not in call.reply.headers
    assert list(describe_call(call, 1.0).dropped) == []


LED = Route("smart", (Target(provider="fake", model="m"),))


async def test_where_a_call_is_led_is_asked_for_beside_what_its_client_named(make_call: Callable[..., Call]) -> None:
    call = make_call()
    call.asked.lead(Resolution(call.asked.route, LED, "smart", (Step(of="simulated", use="smart", rule=0),)))
    request = await run(call, accepted(route="smart"), *data(b"{}"), WHOLE)
    assert (request.model, request.route, request.body) == ("simulated", "smart", call.body)
    assert call.reply.headers["x-runestone-route"] == describe_call(call, 1.0).route == "smart"


async def test_a_call_that_stays_names_no_route_to_anybody(make_call: Callable[..., Call]) -> None:
    call = make_call()
    request = await run(call, accepted(route="simulated", why="only"), *data(b"{}"), WHOLE)
    assert (request.route, describe_call(call, 1.0).route) == ("", "simulated")
    assert "x-runestone-route" not in call.reply.headers
    assert call.reply.headers["x-runestone-why"] == describe_call(call, 1.0).why == "only"


async def test_a_fallback_and_what_failed_before_it_are_told(make_call: Callable[..., Call]) -> None:
    call = make_call()
    begun = accepted(route="spare", why="fallback", failed_attempts=[TRIED])
    await run(call, begun, *data(b"{}"), CallEvent(completed=Completed(finish_reason="stop", attempt=3)))
    record = describe_call(call, 1.0)
    assert (record.route, record.why, record.attempts) == ("spare", "fallback", 3)
    assert list(record.failed_attempts) == [TRIED]
    assert call.reply.headers["x-runestone-route"] == "spare"
    assert call.reply.headers["x-runestone-attempts"] == "3"


async def test_a_failure_tells_every_attempt_and_the_route_that_was_asked_last(make_call: Callable[..., Call]) -> None:
    call = make_call()
    last = Attempt(provider="sim", model="simulated", why="retry", reason=Reason.PROVIDER_STREAM_CUT.number)
    failed = Failed(
        error=to_message(CUT),
        provider="sim",
        model="simulated",
        attempt=2,
        route="spare",
        failed_attempts=[TRIED, last],
    )
    with pytest.raises(RunestoneError, match="cut"):
        await run(call, CallEvent(failed=failed))
    record = describe_call(call, 1.0)
    assert (record.route, record.why, record.attempts) == ("spare", "retry", 2)
    assert list(record.failed_attempts) == [TRIED, last]


async def test_the_broken_parts_of_a_continued_stream_are_failed_attempts(make_call: Callable[..., Call]) -> None:
    call = make_call()
    parts = [
        Attempt(provider="fake", reason=Reason.PROVIDER_STREAM_CUT.number),
        Attempt(provider="sim", why="continue"),
    ]
    whole = CallEvent(completed=Completed(finish_reason="stop", attempt=2, parts=parts))
    await run(call, accepted(), *data(b"{}"), whole)
    record = describe_call(call, 1.0)
    assert (record.attempts, list(record.failed_attempts), call.outcome.parts) == (2, parts[:1], tuple(parts))


async def test_who_shares_anothers_call_attempted_nothing(make_call: Callable[..., Call]) -> None:
    call = make_call()
    shared = accepted(coalesced=True, failed_attempts=[TRIED])
    await run(call, shared, *data(b"{}"), CallEvent(completed=Completed(finish_reason="stop", attempt=3)))
    record = describe_call(call, 1.0)
    assert (record.attempts, list(record.failed_attempts)) == (0, [])
    assert call.reply.headers["x-runestone-attempts"] == "0"


async def test_where_nothing_was_dropped_nothing_is_said_of_it(make_call: Callable[..., Call]) -> None:
    call = make_call()
    await run(call, accepted(), *data(b"{}"), WHOLE)
    assert "x-runestone-dropped" not in call.reply.headers
