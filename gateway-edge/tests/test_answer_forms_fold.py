"""Streams as each maker's API writes them, after its public documentation, and the documents that they make up."""

from typing import Any

import orjson
import pytest

from gateway_edge.caching.forms import Form, find_ends, show
from runestone.cache.v1.cache_pb2 import Answer

UNARY = Form(is_stream=False)
TOKENS = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}


def lines(*datas: str) -> bytes:
    return "".join(f"data: {data}\n\n" for data in (*datas, "[DONE]")).encode()


def kept(body: bytes) -> Answer:
    return Answer(body=body, content_type="text/event-stream", ends=find_ends(body))


def folded(body: bytes) -> bytes | None:
    it = show(kept(body), UNARY)
    assert it is None or it.content_type == "application/json"
    return it and it.body


def document(body: bytes) -> Any:
    it = folded(body)
    assert it is not None
    return orjson.loads(it)


def chunk(delta: Any, finish: str | None = None, index: int = 0, **more: Any) -> str:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return orjson.dumps({**head, "choices": [choice], **more}).decode()


def message(*deltas: Any) -> Any:
    return document(lines(*map(chunk, deltas), chunk({}, "stop")))["choices"][0]["message"]


def test_openai_with_usage_asked_for_and_padding():
    head = (
        '"id":"chatcmpl-B9oaK","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-2024-08-06",'
        '"service_tier":"default","system_fingerprint":"fp_44709d6fcb"'
    )
    stream = lines(
        f'{{{head},"choices":[{{"index":0,"delta":{{"role":"assistant","content":"","refusal":null}},'
        '"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Zx1"}',
        f'{{{head},"choices":[{{"index":0,"delta":{{"content":"Bon"}},"logprobs":null,"finish_reason":null}}],'
        '"usage":null,"obfuscation":"q"}',
        f'{{{head},"choices":[{{"index":0,"delta":{{"content":"jour \\u00e9"}},"logprobs":null,"finish_reason":null}}],'
        '"usage":null,"obfuscation":"9sE0"}',
        f'{{{head},"choices":[{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}],"usage":null,'
        '"obfuscation":"w"}',
        f'{{{head},"choices":[],"usage":{{"prompt_tokens":21,"completion_tokens":7,"total_tokens":28,'
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}},"obfuscation":""}',
    )
    assert document(stream) == {
        "id": "chatcmpl-B9oaK",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4o-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Bonjour é", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {**TOKENS, "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}},
    }


def test_openai_with_two_tool_calls_in_turns():
    opening = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": f"f{n}", "arguments": ""}}
        for n in range(2)
    ]
    pieces = [(0, '{"city":'), (1, "{}"), (0, '"Bern"}')]
    calls = message(
        {"role": "assistant", "content": None, "refusal": None},
        *({"tool_calls": [call]} for call in opening),
        *({"tool_calls": [{"index": n, "function": {"arguments": piece}}]} for n, piece in pieces),
    )
    assert calls == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "call_0", "type": "function", "function": {"name": "f0", "arguments": '{"city":"Bern"}'}},
            {"id": "call_1", "type": "function", "function": {"name": "f1", "arguments": "{}"}},
        ],
    }


def test_openai_with_a_custom_tool():
    opening = {"index": 0, "id": "call_0", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}
    calls = message({"tool_calls": [opening]}, {"tool_calls": [{"index": 0, "custom": {"input": " 1"}}]})["tool_calls"]
    assert calls == [{"id": "call_0", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]


def test_openai_with_the_old_function_call():
    assert message(
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a"'}},
        {"function_call": {"arguments": ":1}"}},
    ) == {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}}


def test_openai_refusing():
    said = message({"role": "assistant", "content": None, "refusal": ""}, {"refusal": "I "}, {"refusal": "won't."})
    assert said == {"role": "assistant", "content": None, "refusal": "I won't."}


def test_openai_with_logprobs_whose_digits_survive():
    stream = lines(
        '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""},'
        '"logprobs":{"content":[],"refusal":null},"finish_reason":null}]}',
        '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":'
        '[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":null}]}',
        '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"b"},"logprobs":{"content":'
        '[{"token":"b","logprob":-1e-05,"bytes":[98],"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"}]}',
    )
    rows = (
        b'"logprobs":{"content":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[]},'
        b'{"token":"b","logprob":-1e-05,"bytes":[98],"top_logprobs":[]}],"refusal":null}'
    )
    assert rows in (folded(stream) or b"")


def test_vllm_with_reasoning_the_role_in_each_chunk_and_a_stop_reason():
    stream = lines(
        '{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1741,"model":"qwen","choices":[{"index":0,'
        '"delta":{"role":"assistant","content":"","reasoning_content":null},"logprobs":null,"finish_reason":null}],'
        '"prompt_token_ids":null}',
        '{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1741,"model":"qwen","choices":[{"index":0,'
        '"delta":{"role":"assistant","reasoning_content":"hm"},"logprobs":null,"finish_reason":null,"stop_reason":null}]}',
        '{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1741,"model":"qwen","choices":[{"index":0,'
        '"delta":{"role":"assistant","content":"yes","tool_calls":[]},"logprobs":null,"finish_reason":"stop",'
        '"stop_reason":128009}]}',
        '{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1741,"model":"qwen","choices":[],'
        '"usage":{"prompt_tokens":21,"total_tokens":28,"completion_tokens":7}}',
    )
    assert document(stream) == {
        "id": "chatcmpl-7f",
        "object": "chat.completion",
        "created": 1741,
        "model": "qwen",
        "prompt_token_ids": None,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "yes", "reasoning_content": "hm", "tool_calls": []},
                "logprobs": None,
                "finish_reason": "stop",
                "stop_reason": 128009,
            }
        ],
        "usage": TOKENS,
    }


def test_deepseek_with_reasoning_first_and_usage_beside_the_finish():
    stream = lines(
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        chunk({"content": None, "reasoning_content": "Let me"}),
        chunk({"content": None, "reasoning_content": " see."}),
        chunk({"content": "9.8", "reasoning_content": None}),
        chunk({"content": "", "reasoning_content": None}, "stop", usage={**TOKENS, "prompt_cache_hit_tokens": 0}),
    )
    it = document(stream)
    assert it["choices"][0]["message"] == {"role": "assistant", "content": "9.8", "reasoning_content": "Let me see."}
    assert it["usage"] == {**TOKENS, "prompt_cache_hit_tokens": 0}


def test_mistral_with_padding_and_a_whole_tool_call():
    call = {"id": "D681PevKs", "function": {"name": "f", "arguments": '{"a": 1}'}}
    it = document(
        lines(
            chunk({"role": "assistant", "content": ""}, p="abcdefg"),
            chunk(
                {"role": None, "content": "", "tool_calls": [{**call, "index": 0}]}, "tool_calls", p="a", usage=TOKENS
            ),
        )
    )
    assert it["choices"][0]["message"] == {"role": "assistant", "content": "", "tool_calls": [call]}
    assert (it["usage"], "p" in it) == (TOKENS, False)


def test_groq_with_its_own_member_first_and_last():
    it = document(
        lines(
            chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"}),
            chunk({"channel": "analysis", "reasoning": "We "}),
            chunk({"channel": "analysis", "reasoning": "do."}),
            chunk({"content": "ok"}),
            chunk({}, "stop", x_groq={"id": "req_1", "usage": {**TOKENS, "queue_time": 0.05}}),
        )
    )
    assert it["x_groq"] == {"id": "req_1"}
    assert it["choices"][0]["message"] == {"role": "assistant", "content": "ok", "reasoning": "We do."}


def test_azure_with_the_prompts_filters_first_and_others_of_its_own():
    safe = {"hate": {"filtered": False, "severity": "safe"}}
    code = {"protected_material_code": {"filtered": False, "detected": False}}
    prompt = [{"prompt_index": 0, "content_filter_results": safe}]
    nameless = {"id": "", "object": "", "created": 0, "model": ""}
    aside = {"index": 0, "finish_reason": None, "content_filter_results": code, "content_filter_offsets": {"check": 3}}

    def said(delta: Any, filters: Any, finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "content_filter_results": filters, "finish_reason": finish}
        return chunk(delta, finish, choices=[choice])

    it = document(
        lines(
            orjson.dumps({**nameless, "choices": [], "prompt_filter_results": prompt}).decode(),
            said({"role": "assistant", "content": "", "refusal": None}, {}),
            said({"content": "ok"}, safe),
            said({}, {}, "stop"),
            orjson.dumps({**nameless, "choices": [aside]}).decode(),
        )
    )
    assert (it["id"], it["object"], it["created"], it["model"]) == ("chatcmpl-1", "chat.completion", 1, "m")
    assert it["prompt_filter_results"] == prompt
    assert it["choices"][0]["content_filter_results"] == {**safe, **code}
    assert it["choices"][0]["message"] == {"role": "assistant", "content": "ok", "refusal": None}


def test_openrouter_with_comments_and_its_own_members():
    def said(delta: Any, finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": finish}
        return chunk(delta, finish, choices=[choice], provider="Azure", **more)

    comment = b": OPENROUTER PROCESSING\n\n"
    stream = lines(
        said({"role": "assistant", "content": "Hel"}),
        said({"role": "assistant", "content": "lo"}),
        said({"role": "assistant", "content": ""}, "stop"),
        chunk({}, choices=[], usage={**TOKENS, "cost": 0.00014}),
    )
    it = document(comment + comment + stream)
    assert it["provider"] == "Azure"
    assert it["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello"},
            "finish_reason": "stop",
            "native_finish_reason": "stop",
        }
    ]
    assert it["usage"]["cost"] == 0.00014


def test_choices_in_turns_each_come_to_their_own():
    it = document(
        lines(
            chunk({"role": "assistant", "content": "a"}, index=1),
            chunk({"role": "assistant", "content": "x"}),
            chunk({"content": "b"}, "length", index=1),
            chunk({}, "stop"),
        )
    )
    told = [(choice["index"], choice["message"]["content"], choice["finish_reason"]) for choice in it["choices"]]
    assert told == [(0, "x", "stop"), (1, "ab", "length")]


def test_numbers_and_escapes_keep_their_spelling():
    stream = lines(
        '{"object":"chat.completion.chunk","created":1741569952.50,"seed":123456789012345678901234567890,"rate":1.0,'
        '"choices":[{"index":0,"delta":{"role":"assistant","content":"a\\/\\u0041\\n"},"finish_reason":null}]}',
        '{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\\""},"finish_reason":"stop"}]}',
    )
    written = folded(stream) or b""
    for part in (b'1741569952.50,"seed":123456789012345678901234567890,"rate":1.0,', b'"content":"a\\/\\u0041\\n\\""'):
        assert part in written


OPENED = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
WHOLE = (chunk({"role": "assistant", "content": "hi"}), chunk({}, "stop"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"not events at all",
        lines(),
        lines("null"),
        lines("[]"),
        lines("{}"),
        lines('{"choices":null}'),
        lines("{", *WHOLE),
        lines(*WHOLE)[:-1],
        lines(*WHOLE).removesuffix(b"data: [DONE]\n\n"),
        lines(*WHOLE) + lines(*WHOLE),
        lines(*WHOLE, chunk({"content": "more"}, "length")),
        lines(WHOLE[0]),
        lines(WHOLE[1]).replace(b'"index":0', b'"index":1'),
        lines(*WHOLE).replace(b'"index":0', b'"index":0.0'),
        lines(*WHOLE).replace(b'"index":0,', b""),
        lines(*WHOLE).replace(b"chat.completion.chunk", b"text_completion"),
        lines(*WHOLE, chunk({}, error={"message": "overloaded"})),
        lines(*WHOLE, '{"error":{"message":"overloaded"}}'),
        lines(WHOLE[0], chunk({}, choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "error": {"code": 1}}])),
        b"event: error\n" + lines(*WHOLE),
        b"surprise: 1\n" + lines(*WHOLE),
        lines(chunk({"content": ["a"]}), *WHOLE),
        lines(chunk({"role": "user"}), *WHOLE),
        lines(chunk({"audio": {"id": 1}}), chunk({"audio": {"id": 2}}), *WHOLE),
        lines(chunk({"tool_calls": [{**OPENED, "index": 1}]}), *WHOLE),
        lines(chunk({"tool_calls": [OPENED]}), chunk({"tool_calls": [{**OPENED, "id": "b"}]}), *WHOLE),
        lines(chunk({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}), *WHOLE),
        lines(chunk({"tool_calls": [{**OPENED, "function": {"name": "f", "arguments": {}}}]}), *WHOLE),
        lines(chunk({"tool_calls": "x"}), *WHOLE),
        lines(chunk("x"), *WHOLE),
        lines(*WHOLE).replace(b"hi", b"\xff"),
        lines(*WHOLE).replace(b"hi", b"\\ud83d"),
        lines(*WHOLE).replace(b'"hi"', b"[" * 5000 + b"]" * 5000),
    ],
)
def test_what_is_not_a_whole_stream_of_chunks_has_no_document(body: bytes):
    assert show(Answer(body=body, content_type="text/event-stream"), UNARY) is None
