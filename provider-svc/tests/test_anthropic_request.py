"""OpenAI chat bodies reach Anthropic with the meaning they had, or not at all."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from chassis.errors import Reason, RunestoneError
from provider_svc import anthropic as anthropic_package
from provider_svc.anthropic.members import CARRIED, DROPPED, REFUSED_UNLESS, wants_usage
from provider_svc.anthropic.request import messages_body

GOLDEN = Path(__file__).parent / "golden_anthropic" / "requests"
NAMES = sorted(path.name.removesuffix(".chat.json") for path in GOLDEN.glob("*.chat.json"))
HELLO = [{"role": "user", "content": "Hi."}]
FUNCTION = {"type": "function", "function": {"name": "f"}}
SDK_PARAMS = {
    True: TypeAdapter(MessageCreateParamsStreaming),
    False: TypeAdapter(MessageCreateParamsNonStreaming),
}


def members_of(body: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(body, type=dict[str, msgspec.Raw])


def translate(body: bytes) -> bytes:
    members = members_of(body)
    return messages_body(members, model="claude-x", stream=bytes(members.get("stream", b"")) == b"true")


def refused(**members: object) -> RunestoneError:
    with pytest.raises(RunestoneError) as caught:
        translate(msgspec.json.encode({"messages": HELLO} | members))
    return caught.value


def exhaust(value: object) -> None:
    """Pydantic checks iterables only as they are read."""
    if isinstance(value, Mapping):
        for item in value.values():
            exhaust(item)
    elif isinstance(value, Iterator | list):
        for item in value:
            exhaust(item)


@pytest.mark.parametrize("name", NAMES)
def test_request_is_translated_as_its_golden_file_says(name):
    translated = translate((GOLDEN / f"{name}.chat.json").read_bytes())
    assert msgspec.json.decode(translated) == msgspec.json.decode((GOLDEN / f"{name}.messages.json").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_translated_request_is_one_that_anthropics_sdk_would_send(name):
    translated = translate((GOLDEN / f"{name}.chat.json").read_bytes())
    exhaust(SDK_PARAMS[msgspec.json.decode(translated)["stream"]].validate_json(translated))


def test_every_member_of_openais_sdk_is_either_carried_or_dropped_or_refused():
    known = set(CompletionCreateParamsNonStreaming.__annotations__)
    for base in CompletionCreateParamsNonStreaming.__orig_bases__:
        known |= set(getattr(base, "__annotations__", ()))
    assert len(known) > 30
    assert known <= CARRIED | DROPPED.keys() | REFUSED_UNLESS.keys()


def test_no_member_is_decided_twice():
    assert not CARRIED & DROPPED.keys()
    assert not CARRIED & REFUSED_UNLESS.keys()
    assert not DROPPED.keys() & REFUSED_UNLESS.keys()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"50256": -100}),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("functions", [{"name": "f"}]),
        ("function_call", "auto"),
        ("web_search_options", {}),
        ("verbosity", "low"),
        ("temperature", 1.5),
        ("temperature", -0.1),
        ("top_p", 2),
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("reasoning_effort", "minimal"),
        ("response_format", {"type": "json_object"}),
        ("tool_choice", "required"),
        ("something_new", 1),
    ],
)
def test_member_that_cannot_be_carried_is_refused_by_its_name(member, value):
    error = refused(**{member: value})
    assert (error.reason, error.param) == (Reason.INVALID_REQUEST, member)
    assert error.message


@pytest.mark.parametrize(
    "choice",
    ["any", {"type": "allowed_tools", "allowed_tools": {}}, {"type": "custom", "custom": {"name": "f"}}],
)
def test_tool_choice_that_anthropic_does_not_have_is_refused(choice):
    assert refused(tools=[FUNCTION], tool_choice=choice).param == "tool_choice"


def user(part: object) -> list[object]:
    return [{"role": "user", "content": [part]}]


def called(arguments: str) -> list[object]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [*HELLO, {"role": "assistant", "tool_calls": [call]}]


@pytest.mark.parametrize(
    ("param", "members"),
    [
        ("messages", {"messages": []}),
        ("messages", {"messages": [{"role": "system", "content": "Be brief."}]}),
        ("messages", {"messages": "Hi."}),
        ("messages[0].content", {"messages": [{"role": "user", "content": 7}]}),
        ("messages[0].content", {"messages": [{"role": "user", "content": ""}]}),
        ("messages[0].name", {"messages": [{"role": "user", "content": "Hi.", "name": "bob"}]}),
        ("messages[0].role", {"messages": [{"role": "function", "content": "x", "name": "f"}]}),
        ("messages[0].audio", {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}),
        ("messages[0].function_call", {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]}),
        ("messages[0].tool_call_id", {"messages": [{"role": "tool", "content": "x"}]}),
        ("messages[1].tool_calls[0].function.arguments", {"messages": called('{"city": ')}),
        ("messages[1].tool_calls[0].function.arguments", {"messages": called("[1]")}),
        ("messages[0].content[0].type", {"messages": user({"type": "input_audio", "input_audio": {}})}),
        ("messages[0].content[0].text", {"messages": user({"type": "text"})}),
        ("messages[0].content[0].image_url", {"messages": user({"type": "image_url"})}),
        ("messages[0].content[0].file", {"messages": user({"type": "file", "file": {"file_id": "file-1"}})}),
        ("tools[0].type", {"tools": [{"type": "custom", "custom": {"name": "f"}}]}),
        ("response_format.json_schema.schema", {"response_format": {"type": "json_schema", "json_schema": {}}}),
        ("stop", {"stop": 7}),
    ],
)
def test_refusal_names_the_path_of_what_is_wrong(param, members):
    error = refused(**members)
    assert (error.reason, error.param) == (Reason.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/a.png", "data:image/png,raw", "data:image/tiff;base64,AA==", "data:image/png;base64", "a.png"],
)
def test_image_that_anthropic_cannot_read_is_refused(url):
    error = refused(messages=user({"type": "image_url", "image_url": {"url": url}}))
    assert error.param == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize(
    "file",
    [
        {"file_data": "AAAA"},
        {"file_data": "AAAA", "filename": "a.docx"},
        {"file_data": "data:application/zip;base64,AAAA"},
        {"file_data": "data:text/plain;base64,/w=="},
        {"file_data": "data:text/plain;base64,!"},
    ],
)
def test_file_that_anthropic_cannot_read_is_refused(file):
    error = refused(messages=user({"type": "file", "file": file}))
    assert error.param == "messages[0].content[0].file.file_data"


def test_system_prompt_that_is_no_text_is_refused():
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    error = refused(messages=[{"role": "system", "content": [picture]}, *HELLO])
    assert error.param == "messages[0].content"


DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


@pytest.mark.parametrize(
    ("param", "body"),
    [
        ("messages[1].tool_calls[0].function.arguments", msgspec.json.encode({"messages": called(DEEP)})),
        ("n", b'{"messages": [], "n": ' + b"1" * 5_000 + b"}"),
        ("temperature", b'{"messages": [], "temperature": 1e999}'),
    ],
)
def test_hostile_json_is_refused_and_not_a_fault_of_the_gateway(param, body):
    with pytest.raises(RunestoneError) as caught:
        translate(body)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


def test_deep_arguments_are_either_carried_or_refused():
    outcomes = {outcome_at(depth) for depth in range(50, 2_000)}
    assert outcomes == {"carried", Reason.INVALID_REQUEST}


def outcome_at(depth: int) -> str:
    body = msgspec.json.encode({"messages": called('{"a":' * depth + "1" + "}" * depth)})
    try:
        return "carried" if b'{"a":' * depth in translate(body) else "changed"
    except RunestoneError as error:
        return error.reason


def test_missing_messages_are_refused():
    with pytest.raises(RunestoneError, match="messages") as caught:
        translate(b"{}")
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
def test_effort_goes_by_its_own_name_and_lets_the_model_think(effort):
    body = msgspec.json.decode(translate(msgspec.json.encode({"messages": HELLO, "reasoning_effort": effort})))
    assert body["output_config"] == {"effort": effort}
    assert body["thinking"] == {"type": "adaptive"}


def test_schema_that_allows_everything_is_still_sent():
    asked = {"type": "json_schema", "json_schema": {"name": "any", "schema": {}}}
    body = msgspec.json.decode(translate(msgspec.json.encode({"messages": HELLO, "response_format": asked})))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": {}}}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (b"{}", False),
        (b'{"stream_options": null}', False),
        (b'{"stream_options": {}}', False),
        (b'{"stream_options": {"include_usage": false}}', False),
        (b'{"stream_options": {"include_usage": true}}', True),
    ],
)
def test_usage_is_wanted_only_when_asked_for(options, wanted):
    assert wants_usage(members_of(options)) is wanted


def test_malformed_stream_options_are_refused():
    with pytest.raises(RunestoneError) as caught:
        wants_usage(members_of(b'{"stream_options": {"include_usage": "yes"}}'))
    assert caught.value.param == "stream_options.include_usage"


def test_readme_names_every_member_that_is_decided():
    readme = (Path(anthropic_package.__file__).parent / "README.md").read_text()
    decided = CARRIED | DROPPED.keys() | REFUSED_UNLESS.keys()
    assert [name for name in sorted(decided) if f"`{name}" not in readme] == []
