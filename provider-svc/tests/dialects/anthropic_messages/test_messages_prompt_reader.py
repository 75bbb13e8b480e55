"""What Anthropic's clients send is read with the meaning it has, and what nobody else could be told is never silent."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaParams
from anthropic.types.message_create_params import MessageCreateParamsBase, MessageCreateParamsStreaming
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects import anthropic_messages
from provider_svc.dialects.anthropic_messages import DIALECT
from provider_svc.dialects.anthropic_messages.members import HINTS, LOST, READ
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.prompt import Prompt, Text, ToolCall

GOLDEN = Path(__file__).parent / "golden" / "read"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.json") if not path.stem.endswith(".prompt"))
HELLO = [{"role": "user", "content": "Hi."}]
DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


def read(body: bytes, *, is_strict: bool = False) -> tuple[Prompt, tuple[str, ...]]:
    losses = Losses(is_strict=is_strict)
    prompt = DIALECT.read_prompt(msgspec.json.decode(body, type=dict[str, msgspec.Raw]), losses)
    return prompt, losses.paths


def read_golden(name: str) -> tuple[Prompt, tuple[str, ...]]:
    return read((GOLDEN / f"{name}.json").read_bytes())


def ask(*, is_strict: bool = False, **members: object) -> tuple[Prompt, tuple[str, ...]]:
    return read(msgspec.json.encode({"max_tokens": 9, "messages": HELLO} | members), is_strict=is_strict)


def refused(*, is_strict: bool = False, **members: object) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        ask(is_strict=is_strict, **members)
    assert caught.value.reason is Reason.INVALID_REQUEST
    return caught.value


@pytest.mark.parametrize("name", NAMES)
def test_prompt_is_read_as_its_golden_file_says(name, shown):
    prompt, losses = read_golden(name)
    expected = msgspec.json.decode((GOLDEN / f"{name}.prompt.json").read_bytes())
    assert {"prompt": shown(prompt), "losses": list(losses)} == expected


def members_of(*params: type) -> set[str]:
    return {name for kind in params for name in kind.__annotations__}


def test_every_member_of_the_sdk_is_read_or_left_out_knowingly():
    known = members_of(MessageCreateParamsBase, MessageCreateParamsStreaming, BetaParams)
    assert len(known) > 25
    assert known - {"context_management"} <= READ | HINTS.keys() | LOST.keys()
    assert "context_management" in READ


def test_no_member_is_decided_twice():
    assert not READ & HINTS.keys()
    assert not READ & LOST.keys()
    assert not HINTS.keys() & LOST.keys()


@pytest.mark.parametrize("name", HINTS)
def test_hint_is_dropped_and_told_of_even_where_the_route_is_strict(name):
    _, losses = ask(is_strict=True, **{name: "x"})
    assert losses == (name,)


@pytest.mark.parametrize("name", [*LOST, "shiny_new_member"])
def test_member_that_may_change_the_answer_is_refused_where_the_route_is_strict(name):
    assert refused(is_strict=True, **{name: "x"}).param == name
    assert ask(**{name: "x"})[1] == (name,)


@pytest.mark.parametrize("name", [*LOST, *HINTS, "shiny_new_member"])
@pytest.mark.parametrize("nothing", [None, [], {}])
def test_member_that_says_nothing_is_no_loss(name, nothing):
    assert ask(is_strict=True, **{name: nothing})[1] == ()


def user(*blocks: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks: object) -> dict[str, object]:
    return {"messages": [*HELLO, {"role": "assistant", "content": list(blocks)}, *HELLO]}


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("messages[0].content[0]", user({"type": "container_upload", "file_id": "f"}, {"type": "text", "text": "x"})),
        ("messages[1].content[0]", assistant({"type": "server_tool_use", "id": "s", "name": "n", "input": {}})),
        ("messages[0].content[0]", user({"type": "search_result", "title": "t", "source": "s", "content": []})),
        ("messages[1]", {"messages": [*HELLO, {"role": "assistant", "content": "It is "}]}),
        ("tools[0]", {"tools": [{"type": "web_search_20260318", "name": "web_search"}]}),
        ("context_management.edits[0]", {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}),
        ("thinking.type", {"thinking": {"type": "between_tools"}}),
        ("output_config.task_budget", {"output_config": {"task_budget": {"type": "tokens", "total": 1}}}),
        ("tool_choice", {"tool_choice": {"type": "any"}}),
        ("tool_choice", {"tool_choice": {"type": "tool", "name": "f"}}),
    ],
)
def test_what_is_anthropics_own_is_refused_by_its_path_where_the_route_is_strict(path, members):
    error = refused(is_strict=True, **members)
    assert error.param == path
    assert error.message.startswith(f"{path}: ")
    assert ask(**members)[1] == (path,)


def test_coding_agents_traffic_comes_through_a_strict_route():
    """All that such an agent says besides its question is a hint."""
    prompt, losses = read((GOLDEN / "coding_agent.json").read_bytes(), is_strict=True)
    assert losses == ("tools[].eager_input_streaming", "context_management.edits[0]")
    assert prompt == read_golden("coding_agent")[0]


def test_a_long_tool_loop_comes_through_whole():
    """A body of 200 KB, as agents send them: every call and every result is there, in order."""
    turns: list[object] = [{"role": "user", "content": "Go."}]
    for n in range(100):
        call = {"type": "tool_use", "id": f"toolu_{n}", "name": "Read", "input": {"file_path": f"/src/{n}"}}
        mark = {"cache_control": {"type": "ephemeral"}} if n > 97 else {}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": f"{n} " + "line\n" * 380} | mark
        turns += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    prompt, losses = ask(is_strict=True, messages=turns, tools=[{"name": "Read", "input_schema": {"type": "object"}}])
    assert losses == ()
    assert len(prompt.turns) == 201
    calls = [turn.parts[0] for turn in prompt.turns[1::2]]
    results = [turn.parts[0] for turn in prompt.turns[2::2]]
    assert [call.id for call in calls] == [result.call_id for result in results]
    assert calls[7].arguments == '{"file_path":"/src/7"}'
    assert [result.cache is not None for result in results].count(True) == 2


def test_arguments_are_the_text_that_the_client_wrote():
    """Numbers that no machine holds and an order of one's own survive."""
    call = b'{"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1.10, "a": 123456789012345678901234567890}}'
    body = b'{"messages": [%b, {"role": "assistant", "content": [%b]}, %b]}'
    hello = msgspec.json.encode(HELLO[0])
    prompt, _ = read(body % (hello, call, hello))
    assert prompt.turns[1].parts == (
        ToolCall(id="t", name="f", arguments='{"b": 1.10, "a": 123456789012345678901234567890}'),
    )


def test_turn_of_which_nothing_is_left_is_left_out():
    prompt, losses = ask(**assistant({"type": "server_tool_use", "id": "s", "name": "n", "input": {}}))
    assert [turn.path for turn in prompt.turns] == ["messages[0]", "messages[2]"]
    assert losses == ("messages[1].content[0]",)


PICTURE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    ("param", "members"),
    [
        ("messages", {"messages": []}),
        ("messages", {"messages": "Hi."}),
        ("messages[0].content", {"messages": [{"role": "user", "content": 7}]}),
        ("messages[0].role", {"messages": [{"role": "tool", "content": "x"}]}),
        ("messages[0].content[0].text", user({"type": "text"})),
        ("messages[0].content[0].source", user({"type": "image"})),
        ("messages[0].content[0].source", user({"type": "image", "source": {"type": "file", "file_id": "f"}})),
        ("messages[0].content[0].source", user({"type": "document", "source": {"type": "file", "file_id": "f"}})),
        ("messages[0].content[0].source.url", user({"type": "image", "source": {"type": "url"}})),
        (
            "messages[0].content[0].source.data",
            user({"type": "image", "source": {"type": "base64", "media_type": "m"}}),
        ),
        ("messages[0].content[0].source.media_type", user({"type": "image", "source": {"type": "base64"}})),
        ("messages[0].content[0].source.type", user({"type": "image", "source": {"type": "shiny"}})),
        ("messages[0].content[0].source.type", user({"type": "document", "source": {"type": "shiny"}})),
        ("messages[0].content[0].source.data", user({"type": "document", "source": {"type": "text"}})),
        ("messages[0].content[0].source.content", user({"type": "document", "source": {"type": "content"}})),
        ("messages[0].content[0].type", user({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
        ("messages[0].content[0].tool_use_id", user({"type": "tool_result"})),
        ("messages[0].content[0].content", user({"type": "tool_result", "tool_use_id": "t", "content": {}})),
        (
            "messages[0].content[0].content[0].type",
            user({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "thinking"}]}),
        ),
        ("messages[1].content[0].type", assistant(PICTURE)),
        ("messages[1].content[0].type", assistant({"type": "tool_result", "tool_use_id": "t"})),
        ("messages[1].content[0].id", assistant({"type": "tool_use", "name": "f", "input": {}})),
        ("messages[1].content[0].name", assistant({"type": "tool_use", "id": "t", "input": {}})),
        ("messages[1].content[0].input", assistant({"type": "tool_use", "id": "t", "name": "f"})),
        ("messages[1].content[0].input", assistant({"type": "tool_use", "id": "t", "name": "f", "input": "x"})),
        ("messages[1].content[0].data", assistant({"type": "redacted_thinking"})),
        ("system[0].type", {"system": [PICTURE]}),
        ("tools[0].name", {"tools": [{"input_schema": {}}]}),
        ("tools[0].input_schema", {"tools": [{"name": "f"}]}),
        ("tool_choice.type", {"tool_choice": {"type": "required"}}),
        ("tool_choice.name", {"tool_choice": {"type": "tool"}}),
        ("thinking.budget_tokens", {"thinking": {"type": "enabled"}}),
        ("output_config.effort", {"output_config": {"effort": "minimal"}}),
        ("output_config.format.type", {"output_config": {"format": {"type": "json_object"}}}),
        ("output_config.format.schema", {"output_config": {"format": {"type": "json_schema"}}}),
        ("max_tokens", {"max_tokens": 0}),
        ("stop_sequences", {"stop_sequences": "END"}),
        ("temperature", {"temperature": "hot"}),
    ],
)
def test_refusal_names_the_path_of_what_is_wrong(param, members):
    error = refused(**members)
    assert error.param == param
    assert error.message


def test_missing_messages_are_refused():
    with pytest.raises(RunestoneError, match="messages"):
        read(b'{"max_tokens": 9}')


def test_messages_of_which_nothing_is_left_are_refused():
    upload = {"type": "container_upload", "file_id": "f"}
    assert refused(**user(upload)).param == "messages"


@pytest.mark.parametrize(
    ("param", "name", "raw"),
    [
        ("messages[0]", "messages", b"[" * 100_000 + b"]" * 100_000),
        ("", "messages", b'[{"role": "assistant", "content": [{"type": "tool_use", "input": %b}]}]' % DEEP.encode()),
        (
            "messages[0].content[0].input",
            "messages",
            b'[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"a":"\xff"}}]}]',
        ),
        ("max_tokens", "max_tokens", b"1" * 5_000),
        ("temperature", "temperature", b"1e999"),
    ],
)
def test_hostile_json_is_refused_and_not_a_fault_of_the_gateway(param, name, raw):
    members = {"messages": msgspec.Raw(msgspec.json.encode(HELLO)), name: msgspec.Raw(raw)}
    with pytest.raises(RunestoneError) as caught:
        DIALECT.read_prompt(members, Losses(is_strict=False))
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def spoiled(value: object, junk: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Values like `value`, of which any part may be junk."""
    if isinstance(value, Mapping):
        inner = st.fixed_dictionaries({name: spoiled(item, junk) for name, item in value.items()})
    elif isinstance(value, list):
        inner = st.tuples(*(spoiled(item, junk) for item in value)).map(list)
    else:
        inner = st.just(value)
    return st.integers(0, 20).flatmap(lambda dice: junk if dice == 0 else inner)


BODIES = st.sampled_from(NAMES).flatmap(
    lambda name: spoiled(msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes()), JUNK)
)


@given(BODIES | JUNK, st.booleans())
def test_no_body_is_a_fault_of_the_gateway(body, is_strict):
    """Whatever a client sends is read, or refused as its own fault."""
    encoded = msgspec.json.encode(body if isinstance(body, dict) else {"messages": body})
    try:
        prompt, _ = read(encoded, is_strict=is_strict)
    except RunestoneError as error:
        assert error.reason is Reason.INVALID_REQUEST  # noqa: PT017  either is fine
    else:
        assert isinstance(prompt, Prompt)
        assert prompt.turns


def test_service_tier_that_nobody_else_has_is_a_hint():
    prompt, losses = ask(is_strict=True, service_tier="shiny")
    assert (prompt.handling.service_tier, losses) == (None, ("service_tier",))


def test_string_and_list_of_text_say_the_same():
    as_list = user({"type": "text", "text": "Hi."}) | {"system": [{"type": "text", "text": "Be brief."}]}
    assert ask(**as_list)[0] == ask(system="Be brief.")[0]
    assert ask()[0].turns[0].parts == (Text(text="Hi."),)


def test_readme_names_every_member_that_is_decided():
    readme = (Path(anthropic_messages.__file__).parent / "README.md").read_text()
    assert [name for name in sorted(READ | HINTS.keys() | LOST.keys()) if f"`{name}`" not in readme] == []
