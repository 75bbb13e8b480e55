"""What is asked of provider-svc at each endpoint, and how its answer reaches the client."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from chassis.errors import Reason, RunestoneError, to_message
from gateway_edge.audit_record import describe_call
from gateway_edge.call import Call
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.call_provider import CallProvider
from gateway_edge.question.form import Form
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
    await CallProvider(models, models, nowhere)(call, nobody)
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


async def test_where_nothing_was_dropped_nothing_is_said_of_it(make_call: Callable[..., Call]) -> None:
    call = make_call()
    await run(call, accepted(), *data(b"{}"), WHOLE)
    assert "x-runestone-dropped" not in call.reply.headers
