"""Servers that differ from OpenAI: what they are asked instead."""

from typing import get_args

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.presets import PRESETS, Quirk
from chassis.config.providers import DialectName, Provider, Timeouts
from chassis.testing import FakeClock
from provider_svc.dialect_names import BY_NAME
from provider_svc.envelope import KNOWN
from provider_svc.openai.endpoints import ENDPOINTS
from provider_svc.openai.provider import OpenAIProvider
from provider_svc.openai.quirks import CHANGES, change, list_dropped
from provider_svc.provider import Gathered, UpstreamCall
from provider_svc.upstream import Upstream
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT, DIALECT_OPENAI_RESPONSES

TURNS = [
    {"role": "developer", "content": "be the developer"},
    {"content": "hello", "role": "user", "x": 1.50},
    {"role": "assistant", "content": "\\u0022developer\\u0022"},
]


def raw(document):
    return msgspec.json.decode(orjson.dumps(document), type=dict[str, msgspec.Raw])


def changed(document, *quirks):
    return orjson.loads(msgspec.json.encode(change(raw(document), quirks)))


def test_every_quirk_has_its_change():
    assert set(CHANGES) == set(get_args(Quirk))


def test_every_dialect_has_a_name_and_every_preset_an_endpoint_for_each():
    assert (set(BY_NAME), set(BY_NAME.values())) == (set(get_args(DialectName)), KNOWN)
    spoken = {BY_NAME[name] for preset in PRESETS.values() for name in preset.dialects}
    assert spoken <= set(ENDPOINTS)


def test_a_developer_is_called_system_and_nothing_else_changes():
    expected = [{**TURNS[0], "role": "system"}, *TURNS[1:]]
    assert changed({"messages": TURNS, "n": 1}, "no_developer") == {"messages": expected, "n": 1}


@pytest.mark.parametrize("messages", [None, 7, [1], ["developer"], {"role": "developer"}, [{"role": ["developer"]}]])
def test_what_is_no_conversation_is_the_servers_to_refuse(messages):
    assert changed({"messages": messages}, "no_developer") == {"messages": messages}


def test_a_bound_of_tokens_is_said_by_its_older_name():
    assert changed({"max_completion_tokens": 9}, "max_tokens") == {"max_tokens": 9}
    assert changed({"max_tokens": 5, "max_completion_tokens": 9}, "max_tokens") == {"max_tokens": 9}
    assert changed({"max_tokens": 5}, "max_tokens") == {"max_tokens": 5}


def test_options_of_the_stream_are_left_out_and_told_of():
    before = raw({"stream_options": {"include_usage": True}, "n": 1})
    after = change(before, ["no_stream_options"])
    assert (list(after), list_dropped(before, after)) == (["n"], ("stream_options",))


@given(
    st.dictionaries(st.sampled_from(["n", "stop", "messages", "max_tokens"]), st.integers(-9, 9) | st.text('ab"')),
    st.lists(st.sampled_from(get_args(Quirk))),
)
def test_what_has_nothing_to_change_stays_and_nothing_is_told(document, quirks):
    before = raw(document)
    after = change(before, quirks)
    assert {name: bytes(value) for name, value in after.items()} == {n: bytes(v) for n, v in before.items()}
    assert list_dropped(before, after) == ()


class Server:
    """What a provider of a preset sends to a server, whose answers are `stream`."""

    def __init__(self, fake, preset):
        settings = Provider(name="p", kind="openai_compatible", preset=preset)
        self.fake = fake
        self.provider = OpenAIProvider("p", settings, Upstream("p", fake.openai_url, Timeouts()), FakeClock())

    async def ask(self, dialect=DIALECT_OPENAI_CHAT, **members):
        number = self.fake.requests + 1
        call = UpstreamCall(
            call_id="c", model="words=2", stream=bool(members.get("stream")), members=raw(members), dialect=dialect
        )
        gathered = Gathered()
        await self.provider.call(call, gathered)
        return (await self.fake.exchange(number)).document, gathered.steps[0]


@pytest.mark.parametrize("preset", PRESETS)
async def test_every_preset_streams_chat(fake, preset):
    """With what it takes, and no more."""
    server = Server(fake, preset)
    sent, begun = await server.ask(stream=True, messages=TURNS, max_completion_tokens=9)
    quirks = PRESETS[preset].quirks
    assert ("stream_options" in sent) is ("no_stream_options" not in quirks)
    assert (sent["messages"][0]["role"] == "developer") is ("no_developer" not in quirks)
    assert ("max_completion_tokens" in sent) is ("max_tokens" not in quirks)
    assert begun.dropped == ()
    await server.provider.close()


async def test_what_a_client_is_refused_by_a_quirk_is_told(fake):
    server = Server(fake, "mistral")
    _, begun = await server.ask(stream=True, messages=TURNS, stream_options={"include_usage": True})
    assert begun.dropped == ("stream_options",)
    await server.provider.close()


def test_a_provider_speaks_what_its_preset_does_or_the_configuration_says():
    def speaks(**fields):
        settings = Provider(name="p", kind="openai_compatible", **fields)
        return OpenAIProvider("p", settings, None, FakeClock()).dialects

    assert DIALECT_OPENAI_RESPONSES in speaks(preset="groq")
    assert DIALECT_OPENAI_RESPONSES not in speaks(preset="mistral")
    assert speaks(preset="groq", dialects=["chat"]) == {DIALECT_OPENAI_CHAT}
