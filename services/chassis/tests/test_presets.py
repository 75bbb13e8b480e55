"""What is known of providers before anybody configures them."""

import re
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from chassis.config import ConfigError, parse_settings
from chassis.config.presets import POSSIBLE, PRESETS, USUAL, Quirk, find_address, list_dialects, list_quirks
from chassis.config.providers import DialectName

PAGE = Path(__file__).parents[3] / "docs/providers.md"
NONE = "-"


def provider(fields):
    return parse_settings(f"providers: [{{name: p, {fields}}}]").providers[0]


def problem(fields):
    with pytest.raises(ConfigError) as error:
        provider(fields)
    return str(error.value)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_whole_configuration(name):
    preset = PRESETS[name]
    it = provider(f"kind: openai_compatible, preset: {name}")
    assert (find_address(it), list_dialects(it), list_quirks(it)) == (preset.base_url, preset.dialects, preset.quirks)


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_sends_a_key_in_the_clear(name):
    """Those without TLS are on this machine."""
    parts = urlsplit(PRESETS[name].base_url)
    assert parts.scheme == "https" or parts.hostname == "127.0.0.1"
    assert not parts.path.endswith("/")


def test_presets_speak_what_their_kind_can():
    assert {dialect for preset in PRESETS.values() for dialect in preset.dialects} <= set(POSSIBLE["openai_compatible"])
    assert {quirk for preset in PRESETS.values() for quirk in preset.quirks} <= set(get_args(Quirk))
    assert {dialect for dialects in POSSIBLE.values() for dialect in dialects} == set(get_args(DialectName))
    assert all(set(USUAL[kind]) <= set(POSSIBLE[kind]) for kind in POSSIBLE)


def test_what_is_configured_wins():
    it = provider('kind: openai_compatible, preset: vllm, base_url: "http://gpu:9/v1", dialects: [chat]')
    assert (find_address(it), list_dialects(it)) == ("http://gpu:9/v1", ("chat",))


@pytest.mark.parametrize(
    ("fields", "address", "has_responses"),
    [
        ("kind: openai", "https://api.openai.com/v1", True),
        ("kind: anthropic", "https://api.anthropic.com", False),
        ("kind: simulated", "", False),
        ('kind: openai_compatible, base_url: "http://h/v1"', "http://h/v1", False),
    ],
)
def test_a_kind_speaks_what_it_is_known_for(fields, address, has_responses):
    """Of a server that nobody knows Responses are not expected: they are asked as chat."""
    it = provider(fields)
    assert (find_address(it), "responses" in list_dialects(it), list_quirks(it)) == (address, has_responses, ())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("kind: openai_compatible, preset: grok", "'grok' is not one of: cerebras, cohere, "),
        ("kind: openai, preset: groq", "belongs to kind openai_compatible"),
        ("kind: openai_compatible", "needs a base_url, or a preset"),
        ("kind: anthropic, dialects: [chat]", "kind anthropic cannot speak 'chat', but: messages, count_tokens"),
        ("kind: openai, dialects: [messages]", "kind openai cannot speak 'messages'"),
        ("kind: openai, dialects: [nonsense]", "providers[0].dialects[0]"),
        ("kind: openai, batching: {window: 5s}", "providers[0].batching.window: must be at most 1s"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, message):
    assert message in problem(fields)


def test_the_page_has_the_table():
    """docs/providers.md says what the code does, word for word."""
    rows = [line for line in PAGE.read_text().splitlines() if re.match(r"\| `\w+` \| http", line)]
    expected = [
        f"| `{name}` | {preset.base_url} | {f'`{preset.key}`' if preset.key else NONE} | {', '.join(preset.dialects)} "
        f"| {', '.join(preset.quirks) or NONE} |"
        for name, preset in PRESETS.items()
    ]
    assert rows == expected
