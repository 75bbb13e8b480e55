"""Prompts reach Anthropic with the meaning they have, or not at all, or less of them and told of."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.anthropic_messages import DIALECT
from provider_svc.dialects.anthropic_messages.prompt_writer import NEUTRAL
from provider_svc.dialects.losses import Losses
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

GOLDEN = Path(__file__).parent / "golden" / "written"
SDK_PARAMS = TypeAdapter(MessageCreateParamsNonStreaming)

MARK, LONG = CacheMark(), CacheMark(ttl="1h")
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}
F = Tool(name="f", schema={"type": "object"})


def turns(*said: tuple[str, str | Part | list[Part]]) -> tuple[Turn, ...]:
    """Turns by role and what is said."""
    return tuple(Turn(role=role, parts=parts_of(words), path=f"messages[{i}]") for i, (role, words) in enumerate(said))


def parts_of(words: str | Part | list[Part]) -> tuple[Part, ...]:
    if isinstance(words, str):
        return (Text(text=words),)
    return tuple(words) if isinstance(words, list) else (words,)


HELLO = turns(("user", "Hi."))

PROMPTS: dict[str, Prompt] = {
    "text": Prompt(turns=HELLO),
    "system_turns": Prompt(
        system=(Text(text="Be brief.", cache=LONG), Text(text="")),
        turns=turns(
            ("user", "Hi."),
            ("system", [Text(text="Speak French."), Text(text="Be polite.")]),
            ("user", "Who are you?"),
            ("assistant", "Claude."),
            ("assistant", [Text(text="No more.", is_refusal=True), Text(text="")]),
            ("user", "Why?"),
            ("system", ""),
        ),
        sampling=Sampling(max_tokens=100),
    ),
    "images": Prompt(
        turns=turns(
            (
                "user",
                [
                    Text(text="Compare."),
                    Image(url="https://example.com/a.png", detail="high"),
                    Image(media_type="image/jpg", data="/9j/4AA=", detail="auto"),
                    Image(media_type="image/webp", data="UklGRg==", cache=MARK),
                ],
            )
        )
    ),
    "documents": Prompt(
        turns=turns(
            (
                "user",
                [
                    Document(media_type="application/pdf", data="JVBERi0=", title="a.pdf"),
                    Document(media_type="text/plain", data="R3LDvMOfZQ==", title="c.txt"),
                    Document(text="Words.", cache=LONG),
                    Document(url="https://example.com/b.pdf"),
                ],
            )
        )
    ),
    "tool_conversation": Prompt(
        tools=(
            Tool(name="weather", description="Weather now.", is_strict=True, schema=SCHEMA, cache=MARK),
            Tool(name="tomorrow", is_strict=False),
        ),
        turns=turns(
            ("user", "Weather in Paris and Rome?"),
            (
                "assistant",
                [
                    Text(text=""),
                    ToolCall(id="call_1", name="weather", arguments='{"city": "Paris", "n": 12345678901234567890}'),
                    ToolCall(id="functions.weather:1", name="weather", arguments='{"city": "Rome"}'),
                ],
            ),
            ("user", ToolResult(call_id="call_1", parts=(Text(text="Rain."),))),
            (
                "user",
                [
                    Text(text="Look at this."),
                    ToolResult(
                        call_id="functions.weather:1",
                        is_error=True,
                        parts=(
                            Text(text="Fog."),
                            Image(media_type="image/png", data="iVBORw0="),
                            Document(text="Note."),
                        ),
                        cache=MARK,
                    ),
                    Text(text="And tomorrow?"),
                ],
            ),
            ("assistant", [Text(text="Let me see."), ToolCall(id="call_3", name="tomorrow", arguments="")]),
            ("user", ToolResult(call_id="call_3", parts=(Text(text=""),))),
        ),
    ),
    "thinking": Prompt(
        turns=turns(
            ("user", "Is 17 prime?"),
            (
                "assistant",
                [
                    Thinking(text="17 is prime.", seal="EqQB", sealed_by="anthropic"),
                    Thinking(seal="Ev8=", sealed_by="anthropic", is_redacted=True),
                    Thinking(text="A summary.", seal="gAAA", sealed_by="openai"),
                    Thinking(text="Nobody sealed this."),
                    Text(text="Yes."),
                ],
            ),
            ("assistant", Thinking(text="Only a thought.")),
            ("user", "And 18?"),
        ),
        reasoning=Reasoning(is_enabled=True, budget=10_000, summary="auto"),
    ),
    "effort": Prompt(turns=HELLO, reasoning=Reasoning(effort="low")),
    "no_reasoning": Prompt(turns=HELLO, reasoning=Reasoning(is_enabled=False)),
    "structured_output": Prompt(
        turns=HELLO,
        shape=Shape(kind="json_schema", name="person", description="A person.", schema=SCHEMA, is_strict=True),
        reasoning=Reasoning(effort="max", summary="detailed"),
    ),
    "sampling": Prompt(
        turns=HELLO,
        sampling=Sampling(max_tokens=20, temperature=0, top_p=0.5, top_k=40, stop=("END", "\n\n")),
        handling=Handling(user="user-1", service_tier="default"),
    ),
    "defaults_are_left_unsaid": Prompt(
        turns=HELLO,
        sampling=Sampling(
            temperature=1,
            top_p=1,
            frequency_penalty=0,
            presence_penalty=0,
            logit_bias={},
            logprobs=False,
            top_logprobs=0,
            verbosity="medium",
        ),
        handling=Handling(store=False),
        parallel=True,
        choice=Choice(mode="auto"),
    ),
    "hints_are_dropped": Prompt(
        turns=HELLO,
        sampling=Sampling(seed=7),
        handling=Handling(
            metadata={"a": "b"},
            service_tier="flex",
            store=True,
            prompt_cache_key="k",
            prompt_cache_retention="24h",
        ),
    ),
    "one_tool_at_a_time": Prompt(turns=HELLO, tools=(F,), parallel=False),
    "named_tool_alone": Prompt(turns=HELLO, tools=(F,), choice=Choice(mode="tool", name="f"), parallel=False),
    "some_tool": Prompt(turns=HELLO, tools=(F,), choice=Choice(mode="required")),
    "no_tool": Prompt(turns=HELLO, tools=(F,), choice=Choice(mode="none"), parallel=False),
    "too_many_marks": Prompt(
        tools=(Tool(name="f", schema={}, cache=MARK),),
        system=(Text(text="Be brief.", cache=LONG),),
        turns=turns(*(("user", Text(text=str(n), cache=MARK)) for n in range(4))),
    ),
}


def write(prompt: Prompt, *, is_strict: bool = True) -> tuple[dict[str, object], tuple[str, ...]]:
    losses = Losses(is_strict=is_strict)
    return DIALECT.write_prompt(prompt, losses), losses.paths


def encoded(prompt: Prompt, *, is_strict: bool = True) -> bytes:
    return msgspec.json.encode(write(prompt, is_strict=is_strict)[0])


def refused(prompt: Prompt, *, is_strict: bool = True) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        write(prompt, is_strict=is_strict)
    assert caught.value.reason is Reason.INVALID_REQUEST
    return caught.value


def exhaust(value: object) -> None:
    """Pydantic checks iterables only as they are read."""
    if isinstance(value, Mapping):
        for item in value.values():
            exhaust(item)
    elif isinstance(value, Iterator | list):
        for item in value:
            exhaust(item)


@pytest.mark.parametrize("name", PROMPTS)
def test_prompt_is_written_as_its_golden_file_says(name):
    body, losses = write(PROMPTS[name])
    expected = msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())
    assert {"body": msgspec.json.decode(msgspec.json.encode(body)), "losses": list(losses)} == expected


def test_every_golden_file_belongs_to_a_prompt():
    assert {path.stem for path in GOLDEN.iterdir()} == set(PROMPTS)


@pytest.mark.parametrize("name", PROMPTS)
def test_written_prompt_is_one_that_anthropics_sdk_would_send(name):
    exhaust(SDK_PARAMS.validate_json(msgspec.json.encode({"model": "claude-x"} | write(PROMPTS[name])[0])))


def with_part(role: str, part: Part) -> Prompt:
    """A conversation with one part too many."""
    return Prompt(turns=turns(("user", "Hi."), (role, [Text(text="See."), part]), ("user", "Well?")))


SAMPLED: dict[str, object] = {
    "frequency_penalty": -1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "presence_penalty": 0.5,
    "top_logprobs": 3,
    "verbosity": "low",
    "temperature": 1.5,
    "top_p": 2,
}

LOST: list[tuple[str, Prompt]] = [
    *((name, Prompt(turns=HELLO, sampling=Sampling(**{name: value}))) for name, value in SAMPLED.items()),
    ("temperature", Prompt(turns=HELLO, sampling=Sampling(temperature=-0.1))),
    ("reasoning.effort", Prompt(turns=HELLO, reasoning=Reasoning(effort="minimal"))),
    ("reasoning.effort", Prompt(turns=HELLO, reasoning=Reasoning(effort="shiny"))),
    ("response_format", Prompt(turns=HELLO, shape=Shape(kind="json_object"))),
    ("tools[0]", Prompt(turns=HELLO, tools=(Tool(name="c", is_custom=True), F))),
    ("tool_choice", Prompt(turns=HELLO, tools=(F,), choice=Choice(mode="tool", name="g"))),
    ("tool_choice", Prompt(turns=HELLO, tools=(F,), choice=Choice(mode="tool", name="f", is_custom=True))),
    ("messages[0].name", Prompt(turns=(Turn(role="user", parts=(Text(text="Hi."),), path="messages[0]", name="bob"),))),
    ("messages[1].content", Prompt(turns=turns(("user", "Hi."), ("assistant", ""), ("user", "Well?")))),
    ("messages[1]", with_part("user", Audio(data="AA==", format="wav"))),
    ("messages[1]", with_part("user", Image(url="http://example.com/a.png"))),
    ("messages[1]", with_part("user", Image(media_type="image/tiff", data="AA=="))),
    ("messages[1]", with_part("user", Document(url="ftp://example.com/a.pdf"))),
    ("messages[1]", with_part("user", Document(media_type="application/zip", data="AA=="))),
    ("messages[1]", with_part("assistant", Image(url="https://example.com/a.png"))),
    ("messages[1]", with_part("system", Image(url="https://example.com/a.png"))),
    ("messages[1]", with_part("assistant", ToolCall(id="c", name="c", arguments="ls -l", is_custom=True))),
]


@pytest.mark.parametrize(("path", "prompt"), LOST)
def test_what_may_change_the_answer_is_refused_where_the_route_is_strict(path, prompt):
    error = refused(prompt)
    assert error.param == path
    assert error.message.startswith(f"{path}: ")


@pytest.mark.parametrize(("path", "prompt"), LOST)
def test_what_is_lost_elsewhere_leaves_a_body_that_the_sdk_would_send(path, prompt):
    body, losses = write(prompt, is_strict=False)
    assert losses == (path,)
    exhaust(SDK_PARAMS.validate_json(msgspec.json.encode({"model": "claude-x"} | body)))


def test_every_member_without_a_counterpart_is_tried():
    assert NEUTRAL.keys() <= SAMPLED.keys()


def test_bound_that_is_overstepped_is_kept_to():
    body, _ = write(Prompt(turns=HELLO, sampling=Sampling(temperature=1.5, top_p=-1)), is_strict=False)
    assert "temperature" not in body
    assert body["top_p"] == 0


def test_effort_below_anthropics_is_its_lowest():
    body, _ = write(Prompt(turns=HELLO, reasoning=Reasoning(effort="minimal")), is_strict=False)
    assert body["output_config"] == {"effort": "low"}


def test_tools_that_are_all_lost_take_their_choice_with_them():
    custom = Prompt(
        turns=HELLO, tools=(Tool(name="c", is_custom=True),), choice=Choice(mode="required"), parallel=False
    )
    body, losses = write(custom, is_strict=False)
    assert losses == ("tools[0]", "tool_choice")
    assert not {"tools", "tool_choice"} & body.keys()


def test_call_of_a_custom_tool_keeps_its_result_company():
    body, _ = write(with_part("assistant", ToolCall(id="c", name="c", arguments="ls", is_custom=True)), is_strict=False)
    assert body["messages"][1]["content"][1] == {"type": "tool_use", "id": "c", "name": "c", "input": {"input": "ls"}}


@pytest.mark.parametrize(
    ("param", "prompt"),
    [
        ("messages", Prompt(turns=())),
        ("messages", Prompt(turns=turns(("system", "Be brief.")))),
        ("max_tokens", Prompt(turns=HELLO, sampling=Sampling(max_tokens=0))),
        ("tool_choice", Prompt(turns=HELLO, choice=Choice(mode="required"))),
        ("tool_choice", Prompt(turns=HELLO, choice=Choice(mode="tool", name="f"))),
        ("response_format.json_schema.schema", Prompt(turns=HELLO, shape=Shape(kind="json_schema", name="n"))),
        ("messages[1]", with_part("assistant", ToolCall(id="c", name="f", arguments='{"city": '))),
        ("messages[1]", with_part("assistant", ToolCall(id="c", name="f", arguments="[1]"))),
        ("messages[1]", with_part("assistant", ToolCall(id="c", name="f", arguments='{"a":' * 100_000))),
        ("messages[1]", with_part("user", Document(media_type="text/plain", data="/w=="))),
        ("messages[1]", with_part("user", Document(media_type="text/plain", data="!"))),
    ],
)
@pytest.mark.parametrize("is_strict", [True, False])
def test_what_cannot_be_asked_at_all_is_refused_on_every_route(param, prompt, is_strict):
    assert refused(prompt, is_strict=is_strict).param == param


@pytest.mark.parametrize(
    ("budget", "max_tokens", "thinking", "bound", "losses"),
    [
        (2_000, None, {"type": "enabled", "budget_tokens": 2_000}, 6_096, ()),
        (2_000, 3_000, {"type": "enabled", "budget_tokens": 2_000}, 3_000, ()),
        (2_000, 2_000, {"type": "enabled", "budget_tokens": 1_999}, 2_000, ("reasoning.budget",)),
        (100, None, {"type": "enabled", "budget_tokens": 1_024}, 5_120, ("reasoning.budget",)),
        (2_000, 1_025, {"type": "enabled", "budget_tokens": 1_024}, 1_025, ("reasoning.budget",)),
    ],
)
def test_budget_of_thinking_leaves_room_for_an_answer(budget, max_tokens, thinking, bound, losses):
    """Anthropic takes 1024 tokens and more, and fewer than max_tokens."""
    asked = Prompt(turns=HELLO, reasoning=Reasoning(budget=budget), sampling=Sampling(max_tokens=max_tokens))
    body, told = write(asked)
    assert (body["thinking"], body["max_tokens"], told) == (thinking, bound, losses)


@pytest.mark.parametrize("budget", [1_024, 2_000])
def test_budget_for_which_there_is_no_room_is_lost_and_nobody_thinks(budget):
    asked = Prompt(
        turns=HELLO, reasoning=Reasoning(is_enabled=True, budget=budget), sampling=Sampling(max_tokens=1_024)
    )
    body, told = write(asked, is_strict=False)
    assert told == ("reasoning.budget",)
    assert "thinking" not in body
    assert refused(asked).param == "reasoning.budget"


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_effort_goes_by_its_own_name_and_lets_the_model_think(effort):
    body, _ = write(Prompt(turns=HELLO, reasoning=Reasoning(effort=effort)))
    assert (body["output_config"], body["thinking"]) == ({"effort": effort}, {"type": "adaptive"})


def test_schema_that_allows_everything_is_still_sent():
    body, _ = write(Prompt(turns=HELLO, shape=Shape(kind="json_schema", schema={})))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {}}}


def test_deep_arguments_are_carried_as_they_are_or_refused():
    """Whoever encodes the body refuses what is too deep inside of it."""
    outcomes = {outcome_at(depth) for depth in range(50, 2_000, 3)}
    assert outcomes - {"too deep to encode"} == {"carried", Reason.INVALID_REQUEST}


def outcome_at(depth: int) -> str:
    arguments = '{"a":' * depth + "1" + "}" * depth
    try:
        body = encoded(with_part("assistant", ToolCall(id="c", name="f", arguments=arguments)))
    except RunestoneError as error:
        return error.reason
    except RecursionError:
        return "too deep to encode"
    return "carried" if arguments.encode() in body else "changed"


WORDS = st.text(min_size=1)
NAME = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
MARKS = st.none() | st.builds(CacheMark, st.none() | st.sampled_from(["5m", "1h"]))
TEXTS = st.builds(Text, text=WORDS)
PICTURES = st.one_of(
    st.builds(Image, url=WORDS.map(lambda path: f"https://{path}")),
    st.builds(
        Image, media_type=st.sampled_from(["image/png", "image/gif", "image/jpeg", "image/webp"]), data=st.text()
    ),
)
TITLES = st.none() | WORDS
DOCUMENTS = st.one_of(
    st.builds(Document, url=WORDS.map(lambda path: f"https://{path}"), title=TITLES),
    st.builds(Document, media_type=st.just("application/pdf"), data=st.text(), title=TITLES),
    st.builds(Document, text=st.text(), title=TITLES),
)
RESULTS = st.builds(
    ToolResult,
    call_id=NAME,
    parts=st.lists(TEXTS | PICTURES | DOCUMENTS, max_size=3).map(tuple),
    is_error=st.booleans(),
)
THOUGHTS = st.one_of(
    st.builds(Thinking, text=st.text(), seal=WORDS, sealed_by=st.just("anthropic")),
    st.builds(Thinking, seal=WORDS, sealed_by=st.just("anthropic"), is_redacted=st.just(True)),
)
OBJECTS = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-9, 9) | st.text() | st.lists(st.text()))
CALLS = st.builds(
    ToolCall, id=NAME, name=NAME, arguments=OBJECTS.map(lambda given: msgspec.json.encode(given).decode())
)
USERS = st.builds(
    lambda results, rest: (*results, *rest),
    st.lists(RESULTS, max_size=2),
    st.lists(TEXTS | PICTURES | DOCUMENTS, min_size=1, max_size=3),
)
ASSISTANTS = st.lists(TEXTS | THOUGHTS | CALLS, min_size=1, max_size=3).map(tuple)
TOOLS = st.lists(
    st.builds(
        Tool,
        name=NAME,
        description=st.none() | st.text(),
        schema=OBJECTS.map(lambda schema: {"type": "object"} | schema),
        is_strict=st.sampled_from([None, True]),
    ),
    max_size=3,
).map(tuple)
SHARES = st.none() | st.floats(0, 1, exclude_max=True)


@st.composite
def reasonings(draw: st.DrawFn) -> Reasoning:
    """What this dialect can say: whoever is let think is shown the thoughts, or never asked for them."""
    effort = draw(st.sampled_from([None, "low", "medium", "high", "xhigh", "max"]))
    match draw(st.sampled_from(["unsaid", "disabled", "adaptive", "enabled"])):
        case "unsaid":
            return Reasoning()
        case "disabled":
            return Reasoning(is_enabled=False, effort=effort)
        case "adaptive":
            return Reasoning(is_enabled=True, effort=effort, summary="auto")
        case _:
            return Reasoning(is_enabled=True, effort=effort, budget=draw(st.integers(1_024, 9_999)), summary="auto")


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """Any prompt that this dialect can say to the last word."""
    said = [draw(USERS) if n % 2 == 0 else draw(ASSISTANTS) for n in range(2 * draw(st.integers(0, 2)) + 1)]
    tools = draw(TOOLS)
    choices = [Choice(mode="auto"), Choice(mode="none"), Choice(mode="required")] if tools else []
    choice = draw(st.sampled_from([None, *choices, *(Choice(mode="tool", name=tool.name) for tool in tools)]))
    parallel = draw(st.sampled_from([None, False])) if choice is not None and choice.mode != "none" else None
    return Prompt(
        turns=turns(*(("assistant" if n % 2 else "user", list(parts)) for n, parts in enumerate(said))),
        system=tuple(draw(st.lists(TEXTS, max_size=2))),
        tools=tools,
        choice=choice,
        parallel=parallel,
        shape=draw(st.none() | st.builds(Shape, kind=st.just("json_schema"), schema=OBJECTS, is_strict=st.just(True))),
        reasoning=draw(reasonings()),
        sampling=draw(
            st.builds(
                Sampling,
                max_tokens=st.integers(10_000, 1 << 40),
                temperature=SHARES,
                top_p=SHARES,
                top_k=st.none() | st.integers(0, 500),
                stop=st.lists(WORDS, max_size=4).map(tuple),
            )
        ),
        handling=draw(
            st.builds(Handling, user=st.none() | WORDS, service_tier=st.sampled_from([None, "auto", "default"]))
        ),
    )


def read(body: bytes) -> tuple[Prompt, tuple[str, ...]]:
    losses = Losses(is_strict=True)
    return DIALECT.read_prompt(msgspec.json.decode(body, type=dict[str, msgspec.Raw]), losses), losses.paths


@given(prompts())
def test_prompt_that_is_written_and_read_again_is_the_same(prompt):
    """Nothing is lost and nothing is added on the way there and back."""
    body, lost = write(prompt)
    assert lost == ()
    assert read(msgspec.json.encode(body)) == (prompt, ())


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "tool", "result", "call"]), MARKS), max_size=9))
def test_marks_are_read_again_as_far_as_anthropic_takes_them(places):
    """The first four in the order in which Anthropic reads a request; the others are told of."""
    prompt = marked(places)
    body, lost = write(prompt)
    encoded_body = msgspec.json.encode(body)
    asked = sum(mark is not None for _, mark in places)
    assert encoded_body.count(b'"cache_control":{') == min(4, asked)
    assert (lost == ()) == (asked <= 4)
    if asked <= 4:
        assert read(encoded_body)[0] == prompt


def marked(places: list[tuple[str, CacheMark | None]]) -> Prompt:
    def of(place: str) -> list[CacheMark | None]:
        return [mark for name, mark in places if name == place]

    calls = [ToolCall(id=f"c{n}", name="f", arguments="{}", cache=mark) for n, mark in enumerate(of("call"))]
    results = [ToolResult(call_id=f"c{n}", parts=(), cache=mark) for n, mark in enumerate(of("result"))]
    return Prompt(
        tools=tuple(Tool(name=f"f{n}", schema={"type": "object"}, cache=mark) for n, mark in enumerate(of("tool"))),
        system=tuple(Text(text="s", cache=mark) for mark in of("system")),
        turns=turns(
            ("user", "Go."),
            ("assistant", [Text(text="Yes."), *calls]),
            ("user", [*results, *(Text(text="u", cache=mark) for mark in of("user")), Text(text="Well?")]),
        ),
        sampling=Sampling(max_tokens=9),
    )
