"""A chat completions body and a neutral prompt say the same."""

from collections.abc import Iterator, Mapping

import msgspec
import pytest
from dialects.openai_chat import golden
from dialects.strategies import Words, merged, prompts, unhurried
from hypothesis import given
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_chat import DIALECT
from provider_svc.dialects.openai_chat.members import CARRIED, HINTS, NEUTRAL
from provider_svc.dialects.prompt import (
    CacheMark,
    Choice,
    Document,
    Handling,
    Prompt,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)

SDK = TypeAdapter(CompletionCreateParamsNonStreaming)
HELLO = [{"role": "user", "content": "Hi."}]

# What Chat Completions have a word for, and read again as what it was.
CHAT = Words(
    marks=False,
    untitled_documents=False,
    document_urls=False,
    document_texts=False,
    thinking=False,
    errors=False,
    result_media=False,
    budgets=False,
    summaries=False,
    enabled=False,
    sampling=tuple(name for name in Words().sampling if name != "top_k"),
    handling=tuple(name for name in Words().handling if name != "metadata"),
)

# Everything but what is said in other words on purpose.
ALL_BUT_SHOWN = Words(result_media=False, document_texts=False, untitled_documents=False, enabled=False)


def members_of(body: object) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])


def read(body: object, *, is_strict: bool = True) -> tuple[Prompt, tuple[str, ...]]:
    losses = Losses(is_strict=is_strict)
    return DIALECT.read_prompt(members_of(body), losses), losses.paths


def write(prompt: Prompt, *, is_strict: bool = True) -> tuple[dict[str, object], tuple[str, ...]]:
    losses = Losses(is_strict=is_strict)
    return DIALECT.write_prompt(prompt, losses), losses.paths


def exhaust(value: object) -> None:
    """Pydantic checks iterables only as they are read, and takes a string of JSON for one."""
    if isinstance(value, Mapping):
        for item in value.values():
            exhaust(item)
    elif isinstance(value, Iterator | list):
        for item in value:
            exhaust(item)


@unhurried
@given(prompts(CHAT))
def test_a_prompt_that_was_written_reads_as_what_it_was(prompt):
    body, told = write(prompt)
    again, left_out = read(body)
    assert merged(again) == merged(prompt)
    assert told == left_out == ()


@unhurried
@given(prompts(ALL_BUT_SHOWN))
def test_what_is_not_told_of_is_carried(prompt):
    """A prompt that comes back as another was told of: nothing is lost in silence."""
    body, told = write(prompt, is_strict=False)
    assert told or merged(read(body)[0]) == merged(prompt)


@unhurried
@given(prompts())
def test_any_prompt_is_written_as_openais_sdk_would(prompt):
    body, _ = write(prompt, is_strict=False)
    exhaust(SDK.validate_python(msgspec.json.decode(msgspec.json.encode({"model": "m", **body}))))


@pytest.mark.parametrize("name", golden.names("read", ".body.json"))
def test_a_body_reads_as_its_golden_file_says(name):
    prompt, told = read(golden.read("read", f"{name}.body.json"))
    assert golden.read("read", f"{name}.prompt.json") == {"prompt": golden.to_json(prompt), "dropped": list(told)}


@pytest.mark.parametrize("name", golden.names("read", ".body.json"))
def test_a_body_that_is_read_here_is_one_that_clients_send(name):
    """What LiteLLM taught them is no member of the SDK's types, and passes them unseen."""
    exhaust(SDK.validate_python(golden.read("read", f"{name}.body.json") | {"stream": False}))


@pytest.mark.parametrize("name", golden.names("write", ".prompt.json"))
def test_a_prompt_is_written_as_its_golden_file_says(name):
    body, told = write(golden.from_json(golden.read("write", f"{name}.prompt.json")), is_strict=False)
    assert golden.read("write", f"{name}.body.json") == {"body": body, "dropped": list(told)}


def test_every_member_of_openais_sdk_is_decided_and_none_twice():
    known = set(CompletionCreateParamsNonStreaming.__annotations__)
    for base in CompletionCreateParamsNonStreaming.__orig_bases__:
        known |= set(getattr(base, "__annotations__", ()))
    assert len(known) > 30
    assert known <= CARRIED | HINTS | NEUTRAL.keys()
    assert not CARRIED & HINTS and not CARRIED & NEUTRAL.keys() and not HINTS & NEUTRAL.keys()


def test_null_is_absent():
    prompt, told = read({"messages": HELLO} | dict.fromkeys((CARRIED | HINTS | NEUTRAL.keys()) - {"messages"}))
    assert prompt == read({"messages": HELLO})[0]
    assert told == ()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("audio", {"voice": "a", "format": "mp3"}),
        ("modalities", ["text", "audio"]),
        ("moderation", {"model": "omni"}),
        ("web_search_options", {}),
        ("reasoning", {"effort": "high"}),
        ("never_heard_of", 1),
        ("response_format", {"type": "grammar"}),
    ],
)
def test_what_may_change_the_answer_is_refused_or_told(member, value):
    with pytest.raises(RunestoneError) as caught:
        read({"messages": HELLO, member: value})
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, member)
    prompt, told = read({"messages": HELLO, member: value}, is_strict=False)
    assert prompt == read({"messages": HELLO})[0]
    assert told == (member,)


@pytest.mark.parametrize(("member", "value"), [("modalities", ["text"]), ("n", 1), ("stream", True), ("model", "m")])
def test_what_asks_for_what_happens_anyway_is_not_told(member, value):
    assert read({"messages": HELLO, member: value})[1] == ()


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"prompt_cache_options": {"mode": "explicit"}}, "prompt_cache_options"),
        (
            {"stream_options": {"include_usage": True, "include_obfuscation": True}},
            "stream_options.include_obfuscation",
        ),
        ({"messages": [{"role": "assistant", "content": "Hi.", "annotations": [{}]}]}, "messages[0].annotations"),
        ({"messages": [{"role": "assistant", "content": "Hi.", "parsed": {"a": 1}}]}, "messages[0].parsed"),
        ({"messages": [{"role": "user", "content": "Hi.", "mood": {"a": 1}}]}, "messages[0].mood"),
        ({"tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}, "tools[0].function.x"),
    ],
)
def test_hints_are_left_out_and_told_even_where_the_route_is_strict(members, told):
    assert read({"messages": HELLO} | members)[1] == (told,)


def test_members_unknown_here_are_passed_over_where_they_are_null():
    assert read({"messages": [{"role": "user", "content": "Hi.", "mood": None}]})[1] == ()


def test_a_schema_may_hold_anything():
    """Parameters are the client's own language, not a body's."""
    schema = {"type": "object", "x-mood": 1, "properties": {"a": {"anything": None}}}
    prompt, told = read(
        {"messages": [{"role": "user", "content": "Hi.", "mood": 1}]}
        | {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    )
    assert prompt.tools[0].schema == schema
    assert told == ("messages[0].mood",)


def test_a_named_function_is_the_choice():
    tool = {"type": "function", "function": {"name": "f"}}
    prompt, told = read({"messages": HELLO, "tools": [tool], "tool_choice": tool})
    assert (prompt.choice, told) == (Choice(mode="tool", name="f"), ())


def test_a_makers_own_tool_is_left_out_where_the_route_is_not_strict():
    tools = [{"type": "web_search"}, {"type": "function", "function": {"name": "f"}}]
    prompt, told = read({"messages": HELLO, "tools": tools}, is_strict=False)
    assert ([tool.name for tool in prompt.tools], told) == (["f"], ("tools[0]",))


def test_a_mark_stands_where_it_can_and_is_told_of_elsewhere():
    marked = {"cache_control": {"type": "ephemeral"}}
    audio = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}} | marked
    text = {"type": "text", "text": "Hi.", "prompt_cache_breakpoint": {"mode": "explicit"}}
    prompt, told = read({"messages": [{"role": "user", "content": [audio, text]}]})
    assert [getattr(part, "cache", None) for part in prompt.turns[0].parts] == [None, CacheMark()]
    assert told == ("messages[0].content[0].cache_control",)


def test_calls_that_stand_in_turns_of_their_own_are_one_message():
    """As Responses have them; what follows a message with calls has to be their results."""
    calls = [Turn(role="assistant", parts=(ToolCall(id=name, name=name, arguments="{}"),)) for name in ("a", "b")]
    results = [Turn(role="user", parts=(ToolResult(call_id=name, parts=(Text(text="1"),)),)) for name in ("a", "b")]
    body, told = write(Prompt(turns=(*calls, *results)))
    assert [message["role"] for message in body["messages"]] == ["assistant", "tool", "tool"]
    assert [call["id"] for call in body["messages"][0]["tool_calls"]] == ["a", "b"] and told == ()


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (Reasoning(), None),
        (Reasoning(is_enabled=False, effort="high"), "none"),
        (Reasoning(is_enabled=True), "medium"),
        (Reasoning(is_enabled=True, effort="max"), "max"),
        (Reasoning(effort="low", budget=50_000), "low"),
        (Reasoning(budget=1), "low"),
        (Reasoning(budget=4_096), "low"),
        (Reasoning(budget=4_097), "medium"),
        (Reasoning(budget=16_384), "medium"),
        (Reasoning(budget=16_385), "high"),
    ],
)
def test_thinking_is_asked_for_in_one_word(reasoning, effort):
    body, _ = write(Prompt(turns=(), reasoning=reasoning))
    assert body.get("reasoning_effort") == effort


def test_labels_are_told_of_where_nothing_is_stored():
    """OpenAI refuses them then."""
    handling = Handling(metadata={"a": "b"})
    assert write(Prompt(turns=(), handling=handling)) == ({"messages": []}, ("metadata",))
    stored = Handling(metadata={"a": "b"}, store=True)
    assert write(Prompt(turns=(), handling=stored)) == (
        {"messages": [], "store": True, "metadata": {"a": "b"}},
        (),
    )


@pytest.mark.parametrize("choice", [None, Choice(mode="auto"), Choice(mode="none")])
def test_without_tools_nothing_is_said_of_them(choice):
    """OpenAI refuses `tool_choice` and `parallel_tool_calls` then."""
    assert write(Prompt(turns=(), choice=choice, parallel=True)) == ({"messages": []}, ())


def test_a_strict_route_refuses_to_leave_a_document_out():
    prompt = Prompt(turns=(Turn(role="user", parts=(Document(url="https://example.test/a.pdf"),), path="messages[0]"),))
    with pytest.raises(RunestoneError) as caught:
        write(prompt)
    assert caught.value.param == "messages[0].content"
