"""What the official clients can send passes at every endpoint, a strict one too, and every refusal can say what is wrong."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import beta, message_count_tokens_params, message_create_params
from hypothesis import given
from hypothesis import strategies as st
from openai.types import (
    completion_create_params,
    embedding_create_params,
    image_edit_params,
    image_generate_params,
    moderation_create_params,
)
from openai.types.audio import speech_create_params, transcription_create_params, translation_create_params
from openai.types.responses import response_create_params

from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.openapi.fault import check, find_fault
from gateway_edge.openapi.form_fields import FILE
from gateway_edge.openapi.shape import OWN_KEYWORDS, Shape, request_shape
from gateway_edge.question.body import read_as

HEADERS = {"betas"}  # what a client sends as a header

SENT_BY_CLIENTS = [
    ("/v1/completions", completion_create_params.CompletionCreateParamsBase),
    ("/v1/responses", response_create_params.ResponseCreateParamsBase),
    ("/v1/embeddings", embedding_create_params.EmbeddingCreateParams),
    ("/v1/moderations", moderation_create_params.ModerationCreateParams),
    ("/v1/images/generations", image_generate_params.ImageGenerateParamsBase),
    ("/v1/images/edits", image_edit_params.ImageEditParamsBase),
    ("/v1/audio/speech", speech_create_params.SpeechCreateParams),
    ("/v1/audio/transcriptions", transcription_create_params.TranscriptionCreateParamsBase),
    ("/v1/audio/translations", translation_create_params.TranslationCreateParams),
    ("/v1/messages", message_create_params.MessageCreateParamsBase),
    ("/v1/messages", beta.message_create_params.MessageCreateParamsBase),
    ("/v1/messages/count_tokens", message_count_tokens_params.MessageCountTokensParams),
    ("/v1/messages/count_tokens", beta.message_count_tokens_params.MessageCountTokensParams),
]
STREAMED = ("completions", "responses", "images/generations", "images/edits", "audio/transcriptions", "messages")


@pytest.mark.parametrize(("path", "kind"), SENT_BY_CLIENTS)
def test_everything_that_the_official_clients_can_send_is_known(path: str, kind: Any) -> None:
    known = set(request_shape(path, is_strict=True).members)
    assert set(kind.__annotations__) - HEADERS - known == set()
    assert ("stream" in known) == (path.removeprefix("/v1/") in STREAMED)


@pytest.mark.parametrize(("path", "kind"), SENT_BY_CLIENTS)
def test_nothing_is_required_that_the_official_clients_may_leave_out(path: str, kind: Any) -> None:
    """But the model, which decides who answers."""
    hints = {name: str(getattr(hint, "__forward_arg__", hint)) for name, hint in kind.__annotations__.items()}
    required = {name for name, hint in hints.items() if hint.startswith("Required[")}
    assert set(request_shape(path, is_strict=False).schema["required"]) - {"model"} <= required


def schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    below = [schema.get("items"), schema.get("additionalProperties")]
    for part in [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *below]:
        if isinstance(part, dict):
            yield from schemas_in(part)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_no_schema_says_what_a_refusal_could_not_explain(path: str) -> None:
    explained = {*OWN_KEYWORDS, "properties", "items", "additionalProperties", "anyOf"}
    remarks = {"description", "default", "deprecated", FILE}
    used = {keyword for schema in schemas_in(request_shape(path, is_strict=True).schema) for keyword in schema}
    assert used - explained - remarks == set()


AGENT: dict[str, dict[str, Any]] = {
    "/v1/messages": {
        "model": "m",
        "max_tokens": 4096,
        "system": [{"type": "text", "text": "You write code.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "so", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "run", "input": {"command": "ls"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [], "is_error": True}]},
        ],
        "tools": [{"name": "run", "input_schema": {"type": "object"}}, {"type": "bash_20250124", "name": "bash"}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["END"],
        "temperature": 1,
        "stream": True,
    },
    "/v1/responses": {
        "model": "m",
        "instructions": "You write code.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "c", "name": "run", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "done"},
        ],
        "tools": [{"type": "function", "name": "run", "parameters": {}, "strict": True}, {"type": "web_search"}],
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "parallel_tool_calls": True,
        "store": False,
        "stream": True,
    },
    "/v1/completions": {"model": "m", "prompt": [[1, 2], [3]], "stop": None, "logprobs": 5, "stream": True},
    "/v1/embeddings": {"model": "m", "input": [[1, 2], [3]], "encoding_format": "base64", "dimensions": 256},
    "/v1/moderations": {"model": "m", "input": [{"type": "image_url", "image_url": {"url": "u"}}]},
    "/v1/rerank": {"model": "m", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1},
    "/v1/audio/speech": {"model": "m", "input": "hi", "voice": {"id": "v"}, "speed": 1.5},
}


@pytest.mark.parametrize("path", AGENT)
def test_what_agents_send_passes_also_a_strict_pipeline(path: str) -> None:
    for is_strict in (False, True):
        check(AGENT[path], request_shape(path, is_strict=is_strict))
    assert read_as(AGENT[path], ENDPOINTS[path].view).model == "m"


def places_in(value: Any) -> list[tuple[Any, Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for step, part in steps for place in [(value, step), *places_in(part)]]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**64) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "role", "a"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(st.data(), st.sampled_from(sorted(AGENT)))
def test_what_passes_can_be_read_and_what_does_not_is_found(data: st.DataObject, path: str) -> None:
    """A refusal's path exists in the body."""
    body = copy.deepcopy(AGENT[path])
    holder, step = data.draw(st.sampled_from(places_in(body)))
    holder[step] = data.draw(values)
    shape: Shape = request_shape(path, is_strict=False)
    if shape.is_valid(body):
        assert read_as(body, ENDPOINTS[path].view).model == body["model"]
        return
    where, words = find_fault(body, shape)
    part = body
    for inner in where:
        part = part[inner]
    assert words
