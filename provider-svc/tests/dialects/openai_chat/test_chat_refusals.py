"""What is malformed is refused with the path of the member at fault, whatever the route says."""

import msgspec
import pytest
from dialects.strategies import unhurried
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.openai_chat import DIALECT
from provider_svc.dialects.prompt import Choice, Prompt, Text, Turn

HELLO = [{"role": "user", "content": "Hi."}]


def refused(body: dict[str, object], *, is_strict: bool = False) -> RunestoneError:
    members = msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])
    with pytest.raises(RunestoneError) as caught:
        DIALECT.read_prompt(members, Losses(is_strict=is_strict))
    assert caught.value.reason is Reason.INVALID_REQUEST
    return caught.value


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "wizard", "content": "Hi."}, "messages[0].role"),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]},
            "messages[0].content",
        ),
        ({"role": "user", "content": [{"type": "video", "text": "x"}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [{"type": "refusal"}]}, "messages[0].content[0].refusal"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages[0].content[0].image_url"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,x"}}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "messages[0].content[0].input_audio"),
        ({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}, "messages[0].content[0].file"),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "JVBERg=="}}]},
            "messages[0].content[0].file.file_data",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,/w=="}}]},
            "messages[0].content[0].file.file_data",
        ),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}, "messages[0].tool_calls[0].type"),
        ({"role": "assistant", "thinking_blocks": [{"type": "guess"}]}, "messages[0].thinking_blocks[0].type"),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        (
            {"role": "tool", "tool_call_id": "c"}
            | {"content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}]},
            "messages[0].content",
        ),
        ({"role": "user", "content": 7}, "messages[0].content"),
        ({"content": "Hi."}, "messages[0]"),
        ({"role": "user", "content": "Hi.", "mood": 1, "name": 7}, "messages[0].name"),
    ],
)
def test_a_malformed_message_is_refused_with_its_path(message, param):
    assert refused({"messages": [message]}).param == param


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hi."}, "messages"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1, "max_tokens": 5}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"reasoning_effort": "some"}, "reasoning_effort"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        (
            {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar"}}}]},
            "tools[0].custom.format",
        ),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"function_call": "perhaps"}, "function_call"),
        ({"stream_options": True}, "stream_options"),
    ],
)
def test_a_malformed_member_is_refused_with_its_path(members, param):
    assert refused({"messages": HELLO} | members).param == param


def test_several_answers_are_refused_even_where_losses_are_let_go():
    """One answer is not what was asked, and no warning makes it so."""
    assert "n must be 1" in str(refused({"messages": HELLO, "n": 3}))


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"tools": [{"type": "web_search", "name": "web"}]}, "tools[0]"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice.allowed_tools",
        ),
        ({"messages": [{"role": "system", "content": "Hi.", "name": "ann"}]}, "messages[0].name"),
        ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, "messages[0].audio"),
    ],
)
def test_what_no_target_can_be_told_is_refused_where_the_route_is_strict(members, param):
    assert refused({"messages": HELLO} | members, is_strict=True).param == param


def test_allowed_tools_keep_their_mode_where_the_route_is_not_strict():
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}
    members = msgspec.json.decode(
        msgspec.json.encode({"messages": HELLO, "tool_choice": choice}), type=dict[str, msgspec.Raw]
    )
    assert DIALECT.read_prompt(members, Losses(is_strict=False)).choice == Choice(mode="required")


def test_a_tool_that_must_be_called_must_be_there():
    prompt = Prompt(turns=(Turn(role="user", parts=(Text(text="Hi."),)),), choice=Choice(mode="tool", name="f"))
    with pytest.raises(RunestoneError) as caught:
        DIALECT.write_prompt(prompt, Losses(is_strict=False))
    assert caught.value.param == "tool_choice"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(("user", "text", "tool", "function", "x", "")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "role",
                    "content",
                    "type",
                    "text",
                    "id",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "cache_control",
                )
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@unhurried
@given(st.fixed_dictionaries({"messages": values}, optional={"tools": values, "tool_choice": values, "stop": values}))
def test_any_json_is_read_or_refused_and_nothing_else(body):
    members = msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])
    try:
        prompt = DIALECT.read_prompt(members, Losses(is_strict=False))
    except RunestoneError as error:
        prompt = error
    assert isinstance(prompt, Prompt) or prompt.reason is Reason.INVALID_REQUEST


@unhurried
@given(st.dictionaries(st.sampled_from(("messages", "tools", "seed", "unknown")), st.binary(max_size=20)))
def test_any_bytes_are_read_or_refused_and_nothing_else(members):
    """The edge has checked the body, but this heart does not count on it."""
    with pytest.raises(RunestoneError):
        DIALECT.read_prompt({name: msgspec.Raw(raw) for name, raw in members.items()}, Losses(is_strict=True))
