"""Anthropic's whole answers become OpenAI's."""

from pathlib import Path

import msgspec
import pytest
from openai.types.chat import ChatCompletion

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.response import chat_completion
from provider_svc.provider import Meter

GOLDEN = Path(__file__).parent / "golden_anthropic" / "answers"
NAMES = sorted(path.name.removesuffix(".messages.json") for path in GOLDEN.glob("*.messages.json"))
CREATED = 1_800_000_000


def complete(name: str) -> tuple[bytes, Meter]:
    meter = Meter()
    return chat_completion((GOLDEN / f"{name}.messages.json").read_bytes(), created=CREATED, meter=meter), meter


def fail(body: bytes) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        chat_completion(body, created=CREATED, meter=Meter())
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_translated_as_its_golden_file_says(name):
    completion, _ = complete(name)
    assert msgspec.json.decode(completion) == msgspec.json.decode((GOLDEN / f"{name}.chat.json").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_one_of_openais(name):
    body, meter = complete(name)
    completion = ChatCompletion.model_validate_json(body, strict=True)
    assert completion.choices[0].finish_reason == meter.finish_reason
    assert completion.usage.prompt_tokens == meter.usage.input_tokens
    assert completion.usage.completion_tokens == meter.usage.output_tokens


def test_answer_without_usage_has_none():
    meter = Meter()
    body = b'{"type":"message","id":"m","model":"x","content":[],"stop_reason":"end_turn"}'
    assert "usage" not in msgspec.json.decode(chat_completion(body, created=CREATED, meter=meter))
    assert meter.usage is None


def test_error_document_with_status_200_is_its_error():
    error = fail(b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}}')
    assert (error.reason, error.message) == (Reason.PROVIDER_RATE_LIMITED, "Slow down.")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"type":"error"}',
        b'{"type":"message","id":"m","model":"x","content":"text","stop_reason":"end_turn"}',
        b'{"type":"message","id":"m","model":"x","content":[],"stop_reason":null}',
        b'{"type":"message","id":"m","model":"x","content":[{"type":"text","text":"\xff"}],"stop_reason":"end_turn"}',
    ],
)
def test_what_is_not_a_message_is_an_invalid_answer(body):
    assert fail(body).reason is Reason.PROVIDER_INVALID_ANSWER
