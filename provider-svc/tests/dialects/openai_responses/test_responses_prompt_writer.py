"""A prompt is written for OpenAI as it takes it, and read again as what it was."""

import msgspec
import pytest
from dialects.openai_responses.wire import read, write
from dialects.strategies import Words, merged, prompts
from hypothesis import given
from openai.types.responses import ResponseInputItem
from pydantic import TypeAdapter

from chassis.errors import RunestoneError
from provider_svc.dialects.prompt import (
    Audio,
    CacheMark,
    Choice,
    Document,
    Handling,
    Image,
    Part,
    Prompt,
    Reasoning,
    Sampling,
    Shape,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)

ITEM = TypeAdapter(ResponseInputItem)

SAYABLE = Words(
    marks=False,
    untitled_documents=False,
    audio=False,
    names=False,
    errors=False,
    budgets=False,
    enabled=False,
    sampling=("max_tokens", "temperature", "top_p", "logprobs", "top_logprobs", "verbosity"),
)


def ask(*parts: Part, **members: object) -> Prompt:
    turns = (Turn(role="user", parts=parts or (Text(text="Hi"),), path="messages[0]"),)
    return Prompt(turns=turns, **members)


def answered(*parts: Part) -> Prompt:
    return Prompt(turns=(Turn(role="assistant", parts=parts, path="messages[1]"),))


def as_read(prompt: Prompt) -> Prompt:
    """What this dialect makes of a prompt that is in everybody's words: its own defaults, said."""
    turns = []
    for turn in prompt.turns:
        parts = tuple(_as_read(part) for part in turn.parts if not _is_foreign(part))
        if parts:
            turns.append(msgspec.structs.replace(turn, parts=parts))
    sampling = prompt.sampling
    has_logprobs = sampling.logprobs or None
    system = "\n\n".join(text.text for text in prompt.system)
    return msgspec.structs.replace(
        merged(msgspec.structs.replace(prompt, turns=tuple(turns))),
        system=(Text(text=system),) if prompt.system else (),
        tools=tuple(
            tool if tool.is_custom else msgspec.structs.replace(tool, is_strict=bool(tool.is_strict))
            for tool in prompt.tools
        ),
        sampling=msgspec.structs.replace(
            sampling,
            max_tokens=None if sampling.max_tokens is None else max(16, sampling.max_tokens),
            logprobs=has_logprobs,
            top_logprobs=sampling.top_logprobs if has_logprobs else None,
        ),
        handling=msgspec.structs.replace(prompt.handling, store=bool(prompt.handling.store)),
    )


def _is_foreign(part: Part) -> bool:
    return isinstance(part, Thinking) and part.sealed_by != "openai"


def _as_read(part: Part) -> Part:
    match part:
        case Image(detail=None):
            return msgspec.structs.replace(part, detail="auto")
        case Document(url=str()):
            return msgspec.structs.replace(part, title=None)
        case Thinking(text=""):
            return msgspec.structs.replace(part, is_redacted=True)
        case ToolResult():
            parts = tuple(_as_read(inner) for inner in part.parts) or (Text(text=""),)
            return msgspec.structs.replace(part, parts=parts)
        case _:
            return part


@given(prompts(SAYABLE))
def test_a_prompt_that_was_written_is_read_as_the_same_prompt(prompt):
    body, _ = write(prompt)
    again, lost = read(body)
    assert (merged(again), lost) == (as_read(prompt), ())


@given(prompts())
def test_every_prompt_is_written_in_shapes_that_the_sdk_knows(prompt):
    """But for what only an item that OpenAI keeps has: it takes what was said without."""
    body, _ = write(prompt, is_strict=False)
    for item in body["input"]:
        if item["type"] == "reasoning":
            item.setdefault("id", "rs_1")
        if item.get("role") == "assistant":
            item |= {"id": "msg_1", "status": "completed"}
            item["content"] = [{"annotations": [], **part} for part in item["content"]]
        ITEM.validate_python(item)


def test_nothing_is_left_at_the_provider_unless_the_client_asks_for_it():
    assert write(ask())[0]["store"] is False
    assert write(ask(handling=Handling(store=True)))[0]["store"] is True


def test_strict_is_said_of_every_function_because_it_is_true_where_it_is_not():
    tools = (Tool(name="a", schema={"type": "object"}), Tool(name="b", is_strict=True), Tool(name="c", is_custom=True))
    assert write(ask(tools=tools, choice=Choice(mode="auto")))[0]["tools"] == [
        {"type": "function", "name": "a", "parameters": {"type": "object"}, "strict": False},
        {"type": "function", "name": "b", "parameters": {"type": "object", "properties": {}}, "strict": True},
        {"type": "custom", "name": "c"},
    ]


@pytest.mark.parametrize(
    ("reasoning", "written", "include"),
    [
        (Reasoning(), None, None),
        (Reasoning(is_enabled=True), None, ["reasoning.encrypted_content"]),
        (Reasoning(is_enabled=False), {"effort": "none"}, None),
        (
            Reasoning(effort="max", summary="auto"),
            {"effort": "max", "summary": "auto"},
            ["reasoning.encrypted_content"],
        ),
        (Reasoning(budget=1_024), {"effort": "low"}, ["reasoning.encrypted_content"]),
        (
            Reasoning(budget=10_000, summary="auto"),
            {"effort": "medium", "summary": "auto"},
            ["reasoning.encrypted_content"],
        ),
        (Reasoning(budget=32_000), {"effort": "high"}, ["reasoning.encrypted_content"]),
        (Reasoning(budget=32_000, effort="low"), {"effort": "low"}, ["reasoning.encrypted_content"]),
    ],
)
def test_thinking_is_asked_for_by_effort_and_comes_back_sealed(reasoning, written, include):
    body, lost = write(ask(reasoning=reasoning))
    assert (body.get("reasoning"), body.get("include")) == (written, include)
    assert lost == (("reasoning.budget",) if reasoning.budget else ())


def test_thoughts_go_back_to_their_maker_only():
    theirs = Thinking(text="a", seal="s", sealed_by="anthropic")
    body, lost = write(answered(theirs, Thinking(text="b"), Thinking(seal="gA", sealed_by="openai"), Text(text="c")))
    assert body["input"] == [
        {"type": "reasoning", "summary": [], "encrypted_content": "gA"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
    ]
    assert lost == ("messages[1].thinking",)


def test_messages_keep_their_place_among_calls():
    parts = (Text(text="a"), ToolCall(id="1", name="f", arguments=""), Text(text="b"))
    assert [item["type"] for item in write(answered(*parts))[0]["input"]] == ["message", "function_call", "message"]
    assert write(answered(*parts))[0]["input"][1]["arguments"] == "{}"


@pytest.mark.parametrize(("asked", "written", "lost"), [(1, 16, ("max_tokens",)), (16, 16, ()), (17, 17, ())])
def test_a_bound_that_openai_finds_too_small_is_its_least(asked, written, lost):
    """Agents try whether a model is there with a bound of one token; a few more of the same answer harm nobody."""
    body, told = write(ask(sampling=Sampling(max_tokens=asked)))
    assert (body["max_output_tokens"], told) == (written, lost)


@pytest.mark.parametrize(
    "member",
    [
        {"stop": ("x",)},
        {"top_k": 3},
        {"frequency_penalty": 0.5},
        {"presence_penalty": -1.0},
        {"logit_bias": {"5": 1}},
        {"seed": 0},
    ],
)
def test_sampling_that_responses_have_not_is_a_loss(member):
    [name] = member
    prompt = ask(sampling=Sampling(**member))
    with pytest.raises(RunestoneError) as caught:
        write(prompt)
    assert caught.value.param == name
    assert write(prompt, is_strict=False)[1] == (name,)


def test_sampling_that_asks_for_nothing_is_no_loss():
    nothing = Sampling(frequency_penalty=0.0, presence_penalty=0.0, logit_bias={}, logprobs=False)
    body, lost = write(ask(sampling=nothing))
    assert (set(body), lost) == ({"input", "store"}, ())


@pytest.mark.parametrize(
    ("prompt", "path"),
    [
        (ask(Audio(data="UklG", format="wav")), "messages[0].input_audio"),
        (answered(Image(url="https://x.test")), "messages[1]"),
        (
            Prompt(turns=(Turn(role="user", parts=(Text(text="a"),), name="Ann", path="messages[0]"),)),
            "messages[0].name",
        ),
        (ask(reasoning=Reasoning(effort="heroic")), "reasoning.effort"),
    ],
)
def test_what_openai_cannot_be_told_is_a_loss(prompt, path):
    with pytest.raises(RunestoneError) as caught:
        write(prompt)
    assert caught.value.param == path
    assert write(prompt, is_strict=False)[1] == (path,)


@pytest.mark.parametrize(
    ("prompt", "path"),
    [
        (ask(Text(text="a", cache=CacheMark())), "messages[0].cache_control"),
        (answered(Text(text="a", cache=CacheMark())), "messages[1].cache_control"),
        (answered(ToolCall(id="1", name="f", arguments="{}", cache=CacheMark())), "messages[1].cache_control"),
        (ask(system=(Text(text="a", cache=CacheMark(ttl="1h")),)), "system.cache_control"),
        (ask(tools=(Tool(name="f", cache=CacheMark()),)), "tools[0].cache_control"),
        (ask(ToolResult(call_id="1", parts=(), is_error=True)), "messages[0].is_error"),
        (ask(Document(url="https://x.test", title="t")), "messages[0].title"),
        (ask(handling=Handling(user="u" * 129)), "safety_identifier"),
        (ask(handling=Handling(metadata={"a": 1})), "metadata"),
        (ask(handling=Handling(metadata={"a": "b" * 513})), "metadata"),
        (ask(handling=Handling(service_tier="standard_only")), "service_tier"),
        (ask(handling=Handling(prompt_cache_retention="1w")), "prompt_cache_retention"),
    ],
)
def test_a_hint_that_openai_would_refuse_is_left_out_and_told_of(prompt, path):
    body, lost = write(prompt)
    assert lost == (path,)
    assert path not in body


def test_documents_have_the_names_that_openai_wants():
    body, _ = write(ask(Document(media_type="application/pdf", data="JVBE"), Document(text="hé")))
    assert body["input"][0]["content"] == [
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        {"type": "input_file", "filename": "document.txt", "file_data": "data:text/plain;base64,aMOp"},
    ]


def test_a_structured_answer_has_a_name():
    shape = Shape(kind="json_schema", schema={"type": "object"})
    assert write(ask(shape=shape))[0]["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}
    }
