"""What is to be redacted is redacted at every endpoint, or not sent: nothing passes because its shape is another."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from chassis.config import Catalog
from chassis.config.shapes import convert
from chassis.config.transform import TransformOptions
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.transform import Transform
from gateway_edge.middleware.validate import Validate
from gateway_edge.question.form import Form

SECRET = "sk-abcdef123"
REDACT = [{"redact": {"pattern": r"\bsk-[a-z0-9]{6,20}\b"}}]
REDACT_ALL = [{"redact": {"pattern": r"\bsk-[a-z0-9]{6,20}\b", "in": "all"}}]
MESSAGE = {
    "id": SECRET,
    "type": "message",
    "role": "assistant",
    "model": SECRET,
    "content": [
        {"type": "thinking", "thinking": f"is {SECRET} it", "signature": SECRET},
        {"type": "text", "text": f"it is {SECRET}"},
        {"type": "tool_use", "id": SECRET, "name": SECRET, "input": {"key": SECRET}},
    ],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1},
}
RESPONSE = {
    "id": SECRET,
    "object": "response",
    "instructions": SECRET,
    "output": [
        {"type": "message", "content": [{"type": "output_text", "text": f"it is {SECRET}", "annotations": []}]},
        {"type": "function_call", "call_id": SECRET, "name": "f", "arguments": SECRET},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": SECRET}], "encrypted_content": SECRET},
    ],
}

Send = Callable[..., Any]


@pytest.fixture
def send(make_call: Callable[..., Call], catalog: Catalog) -> Send:
    """An answer on its way through `transform`; the call that it reached."""

    async def go(
        path: str, answer: Callable[[Call], Any], *, rules: Any = REDACT, request: Any = (), form: Any = None
    ) -> Call:
        options = convert({"request": list(request), "response": list(rules)}, TransformOptions)
        call = make_call(endpoint=ENDPOINTS[path])
        call.form = form
        await Transform(options, Validate(catalog, is_strict=False).ask)(call, answer)
        return call

    return go


def sending(document: Any) -> Callable[[Call], Any]:
    async def send(call: Call) -> None:
        await call.reply.send(orjson.dumps(document))

    return send


async def test_a_message_is_redacted_where_something_is_said(send: Send) -> None:
    sent = orjson.loads((await send("/v1/messages", sending(MESSAGE))).reply.body)
    thinking, text, tool = sent["content"]
    assert (thinking["thinking"], text["text"]) == ("is [redacted] it", "it is [redacted]")
    assert (sent["id"], sent["model"], thinking["signature"], tool["name"]) == (SECRET,) * 4
    assert tool["input"] == {"key": SECRET}


async def test_a_response_is_redacted_where_something_is_said(send: Send) -> None:
    sent = orjson.loads((await send("/v1/responses", sending(RESPONSE))).reply.body)
    message, called, reasoning = sent["output"]
    assert message["content"][0]["text"] == "it is [redacted]" and reasoning["summary"][0]["text"] == "[redacted]"
    assert (called["arguments"], called["call_id"], reasoning["encrypted_content"]) == (SECRET,) * 3


async def test_with_in_all_what_tools_are_called_with_is_redacted_too(send: Send) -> None:
    message = orjson.loads((await send("/v1/messages", sending(MESSAGE), rules=REDACT_ALL)).reply.body)
    response = orjson.loads((await send("/v1/responses", sending(RESPONSE), rules=REDACT_ALL)).reply.body)
    assert message["content"][2]["input"] == {"key": "[redacted]"}
    assert response["output"][1]["arguments"] == "[redacted]"


async def test_a_transcript_is_redacted(send: Send) -> None:
    transcript = {"text": f"say {SECRET}", "segments": [{"id": 0, "text": SECRET}]}
    sent = orjson.loads((await send("/v1/audio/transcriptions", sending(transcript))).reply.body)
    assert sent == {"text": "say [redacted]", "segments": [{"id": 0, "text": "[redacted]"}]}


async def test_a_stream_of_completions_is_redacted_as_one_of_chat(send: Send) -> None:
    async def stream(call: Call) -> None:
        call.reply.expect_events()
        for piece in (SECRET[:5], SECRET[5:]):
            event = {"choices": [{"index": 0, "text": piece, "finish_reason": None}]}
            await call.reply.write(b"data: " + orjson.dumps(event) + b"\n\n")
        await call.reply.write(b"data: [DONE]\n\n")
        await call.reply.close()

    sent = (await send("/v1/completions", stream)).reply.body
    assert b"[redacted]" in sent and SECRET.encode() not in sent


async def test_a_stream_that_is_not_redacted_may_be_changed_otherwise(send: Send) -> None:
    async def stream(call: Call) -> None:
        call.reply.expect_events()
        await call.reply.write(b'event: x\ndata: {"type": "x"}\n\n')
        await call.reply.close()

    call = await send("/v1/messages", stream, rules=[{"set": {"path": "team", "value": "blue"}}])
    assert call.reply.body == b'event: x\ndata: {"type":"x","team":"blue"}\n\n'


@pytest.mark.parametrize("in_parts", [True, False], ids=["in parts", "whole"])
@pytest.mark.parametrize(("kind", "is_sent"), [("audio/mpeg", True), ("text/plain; charset=utf-8", False)])
async def test_plain_text_cannot_be_redacted_and_is_not_sent_while_sound_is(
    send: Send, kind: str, *, is_sent: bool, in_parts: bool
) -> None:
    async def answer(call: Call) -> None:
        if not in_parts:
            await call.reply.send(SECRET.encode(), kind)
            return
        await call.reply.begin(kind)
        await call.reply.write(SECRET.encode())
        await call.reply.close()

    if is_sent:
        assert (await send("/v1/audio/speech", answer)).reply.body == SECRET.encode()
        return
    with pytest.raises(RunestoneError) as failed:
        await send("/v1/audio/transcriptions", answer)
    assert failed.value.reason is Reason.PROVIDER_INVALID_ANSWER


async def test_a_form_that_would_have_to_be_changed_is_refused(send: Send) -> None:
    """Asking what the operator does not want asked would be worse."""
    rule = [{"set": {"path": "prompt", "value": "be brief"}}]
    with pytest.raises(RunestoneError, match="cannot do to a form"):
        await send("/v1/audio/transcriptions", sending({}), rules=(), request=rule, form=Form((), {}))
