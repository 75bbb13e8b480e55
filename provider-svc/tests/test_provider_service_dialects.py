"""Calls in other dialects than chat, through the whole service."""

import asyncio
from types import SimpleNamespace

import orjson
import pytest

from chassis.config.models import Target
from chassis.config.providers import Provider as Configured
from chassis.sse import read_event
from provider_svc import events
from provider_svc.attempts.attempt import Attempt
from provider_svc.attempts.stop import Stop
from provider_svc.provider import Begun, UpstreamCall
from provider_svc.seats import Seat
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.provider.v1.provider_pb2 import CallRequest

MESSAGE = {"max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


def request(model, dialect, *, stream=False, **members):
    body = {"model": "public", **members, **({"stream": True} if stream else {})}
    return CallRequest(call_id="c", tenant="acme", dialect=dialect, model=model, stream=stream, body=orjson.dumps(body))


async def refusal_of(rig, asked):
    heard = None
    try:
        heard = await rig.hear(rig.stub.Call(asked, timeout=10))
    except Exception as error:  # noqa: BLE001  whatever the stub raises
        return str(error)
    return heard.end.error.message


async def test_a_message_reaches_anthropic_as_it_is(rig):
    asked = request("claude/words=3", dialects.DIALECT_ANTHROPIC_MESSAGES, **MESSAGE)
    heard = await rig.hear(rig.stub.Call(asked, timeout=10))
    assert orjson.loads(heard.body)["type"] == "message"
    assert heard.end.finish_reason == "stop"
    assert heard.end.usage.output_tokens > 0


async def test_a_stream_of_messages_is_relayed_event_by_event(rig):
    asked = request("claude/words=3", dialects.DIALECT_ANTHROPIC_MESSAGES, stream=True, **MESSAGE)
    heard = await rig.hear(rig.stub.Call(asked, timeout=10))
    names = [read_event(frame).name for frame in heard.frames]
    assert (names[0], names[-1]) == (b"message_start", b"message_stop")
    assert heard.end.usage.output_tokens > 0


async def test_an_endpoint_that_a_target_has_not_is_refused_and_nothing_is_sent(rig):
    asked = request("claude/x", dialects.DIALECT_OPENAI_EMBEDDINGS, input="hello")
    assert "does not have this endpoint" in await refusal_of(rig, asked)
    assert rig.fake.requests == 0


async def test_a_stream_of_what_has_none_is_refused_and_nothing_is_sent(rig):
    asked = request("fake/x", dialects.DIALECT_OPENAI_EMBEDDINGS, stream=True, input="hello")
    assert "has no stream" in await refusal_of(rig, asked)
    assert rig.fake.requests == 0


async def test_the_same_key_in_another_dialect_is_another_question(rig):
    """Answers of two dialects are never told to each other's callers."""
    first = request("fake/words=2", dialects.DIALECT_OPENAI_CHAT, messages=MESSAGE["messages"])
    second = request("claude/words=2", dialects.DIALECT_ANTHROPIC_MESSAGES, **MESSAGE)
    first.coalesce_key = second.coalesce_key = b"k" * 32
    second.call_id = "d"
    one, other = await asyncio.gather(*(rig.hear(rig.stub.Call(asked, timeout=10)) for asked in (first, second)))
    assert ("choices" in orjson.loads(one.body), "content" in orjson.loads(other.body)) == (True, True)


@pytest.mark.parametrize("begun", [Begun(200), Begun(200, "r", "audio/mpeg", ("top_k", "messages[2].cache_control"))])
def test_what_was_left_out_and_what_comes_instead_of_json_is_told(begun):
    seat = Seat(Configured(name="p", kind="openai"), SimpleNamespace(dialects=frozenset()))
    call = UpstreamCall(call_id="c", model="m", stream=False, members={})
    stop = Stop(
        target=Target(provider="p", model="m"), health=None, speaks=True, find_rates=lambda: None, seat=seat, label="m"
    )
    attempt = Attempt(stop, call, route="m", why="only", started=0.0, number=1)
    attempt.begun = begun
    step = events.accepted(attempt, [attempt]).accepted
    assert (step.content_type, tuple(step.dropped)) == (begun.content_type, begun.dropped)
