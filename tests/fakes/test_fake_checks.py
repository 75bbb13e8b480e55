"""What the fake provider refuses, as the makers do: the mistakes that a translation could make."""

from typing import Any

import pytest
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from fake_provider.anthropic.check import BLOCKS, COUNT_MEMBERS, MEMBERS
from fake_provider.openai.chat_check import MEMBERS as CHAT_MEMBERS
from fake_provider.openai.responses_check import MEMBERS as RESPONSES_MEMBERS
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}
USER = {"role": "user", "content": "hello"}
VERSION = {"anthropic-version": "2023-06-01"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
USING = {"role": "assistant", "content": [USE]}
USED = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}
RESULTING = {"role": "user", "content": [USED]}
THINKING = {"type": "enabled", "budget_tokens": 1024}
MARK = {"cache_control": {"type": "ephemeral"}}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
FC = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
FCO = {"type": "function_call_output", "call_id": "call_1", "output": "x"}


async def refusal(raw, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    """The error's sentence; "" where the request was taken."""
    async with raw.post(path, json=body, headers=headers or {}) as answer:
        document = await answer.json()
        if answer.status == 200:
            return ""
        assert answer.status == 400, document
        return document["error"]["message"]


def function(**members):
    return {"type": "function", "function": {"name": "f", **members}}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": []}, "empty array"),
        ({"messages": [RESULT]}, "must be a response to a preceeding message with 'tool_calls'"),
        ({"messages": [USER, CALLING]}, "did not have response messages: call_1"),
        ({"messages": [USER, CALLING, USER]}, "did not have response messages: call_1"),
        ({"messages": [USER, CALLING, RESULT, RESULT]}, "must be a response to"),
        ({"messages": [{"role": "human", "content": "x"}]}, "Invalid value: 'human'"),
        ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
            "Invalid value: 'input_text'",
        ),
        ({"messages": [{"role": "system", "content": [{"type": "image_url"}]}]}, "Invalid value: 'image_url'"),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
        ({"parallel_tool_calls": False}, "only allowed when 'tools' are specified"),
        ({"tools": [function(name="a b")]}, "string does not match pattern"),
        ({"tools": [function(parameters={"type": "string"})]}, "schema must be a JSON Schema of 'type: \"object\"'"),
        ({"tools": [function(parameters=OPEN, strict=True)]}, "'additionalProperties' is required"),
        ({"tools": [function(parameters={**OPEN, "additionalProperties": False}, strict=True)]}, "Missing '['a']'"),
        ({"tools": [function()], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "'g' not found"),
        ({"tools": [function()], "tool_choice": "any"}, "Invalid value: 'any'"),
        ({"temperature": 2.5}, "decimal above maximum value"),
        ({"top_logprobs": 2}, "only allowed when 'logprobs'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "at the same time"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "array too long"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": OPEN}}}, "json_schema.name"),
        ({"model": "strict", "top_k": 5}, "Unrecognized request argument supplied: top_k"),
        ({"model": "gpt", "top_k": 5}, ""),
        ({"model": "lax", "messages": [RESULT]}, ""),
        ({"messages": [USER, CALLING, RESULT]}, ""),
    ],
)
async def test_chat(raw, body, words):
    said = await refusal(raw, "/v1/chat/completions", {"model": "m", "messages": [USER], **body})
    assert words in said
    assert bool(words) is bool(said)


def message(role, kind, **members):
    return {"role": role, "content": [{"type": kind, **members}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"input": None}, "Missing required parameter: 'input'"),
        ({"input": [USER, FCO]}, "No tool call found for function call output with call_id call_1"),
        ({"input": [FCO, FC]}, "No tool call found"),
        ({"input": [USER, FC]}, "No tool output found for function call call_1"),
        ({"input": [USER, {**FC, "id": "call_1"}, FCO]}, "Expected an ID that begins with 'fc'"),
        ({"input": [USER, {**FC, "call_id": "x" * 65}, FCO]}, "string too long"),
        ({"input": [USER, {**FC, "arguments": {}}, FCO]}, "expected a string"),
        ({"input": [message("assistant", "input_text", text="x")]}, "Invalid value: 'input_text'"),
        ({"input": [message("user", "output_text", text="x")]}, "Invalid value: 'output_text'"),
        ({"input": [message("user", "input_image", image_url={"url": "x"})]}, "expected a string, but got an object"),
        (
            {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "bm90"}, USER]},
            "could not be verified",
        ),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}, USER]}, "without its required following item"),
        ({"input": [{"type": "tool_use"}]}, "Invalid value: 'tool_use'"),
        ({"previous_response_id": "resp_x"}, "Previous response with id 'resp_x' not found"),
        ({"tools": [function()]}, "Missing required parameter: 'tools[0].name'"),
        ({"tool_choice": "required"}, "must be specified with 'tools'"),
        ({"max_output_tokens": 5}, "Expected a value >= 16"),
        ({"temperature": -1}, "below minimum"),
        ({"include": ["everything"]}, "Invalid value: 'everything'"),
        ({"text": {"format": {"type": "json_schema", "schema": OPEN}}}, "'text.format.name'"),
        ({"model": "strict", "messages": []}, "Unknown parameter: 'messages'"),
        ({"input": [USER, FC, FCO]}, ""),
    ],
)
async def test_responses(raw, body, words):
    said = await refusal(raw, "/v1/responses", {"model": "m", "input": "hello", **body})
    assert words in said
    assert bool(words) is bool(said)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"n": 1}, "n: Extra inputs are not permitted"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 'first message must use the "user" role'),
        ({"messages": [{"role": "tool", "content": "x"}]}, "Input should be 'user' or 'assistant'"),
        ({"messages": [{**USER, "name": "ann"}]}, "name: Extra inputs are not permitted"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"messages": [message("user", "text", text="")]}, "text content blocks must be non-empty"),
        ({"messages": [message("user", "text", text="x", detail="low")]}, "text.detail: Extra inputs"),
        ({"messages": [message("user", "image_url")]}, "Input tag 'image_url'"),
        ({"messages": [message("user", "image", source={"type": "base64", "media_type": "image/tiff"})]}, "media_type"),
        (
            {"messages": [message("user", "image", source={"type": "base64", "media_type": "image/png", "data": "?"})]},
            "not valid base64",
        ),
        ({"messages": [USER, {"role": "assistant", "content": "so "}]}, "trailing whitespace"),
        ({"messages": [USER, USING]}, "without `tool_result` blocks immediately after: toolu_1"),
        ({"messages": [USER, USING, USER]}, "without `tool_result` blocks immediately after: toolu_1"),
        (
            {"messages": [USER, USING, {"role": "user", "content": [{"type": "text", "text": "x"}, USED]}]},
            "immediately after",
        ),
        ({"messages": [USER, RESULTING]}, "unexpected `tool_use_id`"),
        ({"messages": [USER, USING, RESULTING, USING, RESULTING]}, "ids must be unique"),
        (
            {"messages": [USER, {"role": "assistant", "content": [{**USE, "id": "a:b"}]}, RESULTING]},
            "should match pattern",
        ),
        (
            {"messages": [USER, {"role": "assistant", "content": [{**USE, "input": "{}"}]}, RESULTING]},
            "valid dictionary",
        ),
        (
            {"messages": [USER, message("assistant", "thinking", thinking="x", signature="bm90"), USER]},
            "Invalid `signature`",
        ),
        ({"messages": [USER, message("assistant", "thinking", thinking="x"), USER]}, "signature: Field required"),
        ({"messages": [USER, message("assistant", "redacted_thinking", data="bm90"), USER]}, "Invalid `data`"),
        (
            {"messages": [USER, USING, RESULTING], "thinking": THINKING},
            "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "greater than or equal to 1024"),
        ({"thinking": THINKING, "max_tokens": 1024}, "`max_tokens` must be greater"),
        ({"thinking": THINKING, "temperature": 0.5}, "may only be set to 1"),
        ({"thinking": THINKING, "top_k": 5}, "`top_k` must be unset"),
        ({"thinking": THINKING, "tools": [TOOL], "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"thinking": {"type": "high"}}, "Input tag 'high'"),
        ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
        ({"tools": [{"name": "f", "parameters": {}}]}, "input_schema: Field required"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "should match pattern"),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "valid dictionary"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "Tool 'g' not found"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"system": [{"type": "text", "text": "x", **MARK}] * 5}, "Found 5"),
        (
            {
                "system": [
                    {"type": "text", "text": "x", **MARK},
                    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                ]
            },
            "must not come after",
        ),
        ({"messages": [USER, USING, RESULTING]}, ""),
        ({"messages": [USER, USER, {"role": "assistant", "content": "so"}]}, ""),
        ({"messages": [USER, USING, RESULTING], "thinking": {"type": "adaptive"}}, ""),
    ],
)
async def test_messages(raw, body, words):
    asked = {"model": "m", "max_tokens": 2048, "messages": [USER], **body}
    said = await refusal(raw, "/v1/messages", asked, VERSION)
    assert words in said
    assert bool(words) is bool(said)


async def test_the_version_is_required(raw):
    body = {"model": "m", "max_tokens": 9, "messages": [USER]}
    assert await refusal(raw, "/v1/messages", body) == "anthropic-version: header is required"


async def test_counting_takes_no_bound(raw):
    body = {"model": "m", "max_tokens": 9, "messages": [USER]}
    assert "max_tokens: Extra" in await refusal(raw, "/v1/messages/count_tokens", body, VERSION)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/completions", {"model": "m"}, "'prompt'"),
        ("/v1/embeddings", {"model": "m", "input": ["a", ""]}, "cannot contain an empty string"),
        ("/v1/embeddings", {"model": "m", "input": "a", "encoding_format": "hex"}, "'hex' is not one of"),
        ("/v1/moderations", {"model": "m"}, "'input'"),
        ("/v1/images/generations", {"model": "m"}, "'prompt'"),
        ("/v1/images/edits", {"model": "m", "prompt": "x"}, "'image'"),
        ("/v1/audio/speech", {"model": "m", "input": "x"}, "'voice'"),
        ("/v1/audio/transcriptions", {"model": "m"}, "'file'"),
        ("/v1/rerank", {"model": "m", "query": "x"}, "'documents'"),
    ],
)
async def test_other_endpoints(raw, path, body, words):
    assert words in await refusal(raw, path, body)


@pytest.mark.parametrize("body", ["[1]", "{", '"x"'])
async def test_a_body_that_is_no_object(raw, body):
    headers = {"content-type": "application/json"}
    async with raw.post("/v1/chat/completions", data=body, headers=headers) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("value", [3, [3], [[]], {"a": 1}])
async def test_members_of_another_type(raw, path, value):
    """A refusal, never a failure of the fake provider."""
    body = {"model": "m", "max_tokens": 9, "messages": value, "input": value, "tools": value}
    assert await refusal(raw, path, body, VERSION)


@pytest.mark.parametrize(
    ("mine", "theirs", "beside"),
    [
        (CHAT_MEMBERS, CompletionCreateParamsStreaming, set()),
        (RESPONSES_MEMBERS, ResponseCreateParamsStreaming, set()),
        # Of older models, and of betas.
        (MEMBERS, MessageCreateParamsStreaming, {"temperature", "top_k", "top_p", "mcp_servers", "context_management"}),
        (COUNT_MEMBERS, MessageCountTokensParams, {"mcp_servers", "context_management"}),
    ],
)
def test_the_members_that_are_known_are_the_sdks(mine, theirs, beside):
    """A new version of an SDK shows here what its maker added."""
    known = {name for each in theirs.__mro__ for name in getattr(each, "__annotations__", {})} or set(
        theirs.__annotations__
    )
    assert mine - beside == known


def test_the_members_of_blocks_are_the_sdks():
    from anthropic import types

    params = {kind: getattr(types, f"{''.join(map(str.title, kind.split('_')))}BlockParam") for kind in BLOCKS}
    assert {kind: set(param.__annotations__) for kind, param in params.items()} == BLOCKS
