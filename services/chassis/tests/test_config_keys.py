"""Several keys of one provider: what must hold of them, and who gets to know them."""

import pytest

from chassis.config import ConfigError, decode, encode, parse_settings
from chassis.config.provider_keys import list_keys
from chassis.snapshots.snapshot import document_for, snapshot_version

KEYS = "api_keys: [{name: a, key: canary-one}, {name: b, key: canary-two, weight: 3}]"


def parse(members):
    return parse_settings(f"providers: [{{name: p, kind: openai, {members}}}]")


def test_the_single_key_is_the_first_of_all():
    (provider,) = parse(f"api_key: canary, {KEYS}").providers
    keys = [(key.name, key.key.reveal(), key.weight) for key in list_keys(provider)]
    assert keys == [("1", "canary", 1), ("a", "canary-one", 1), ("b", "canary-two", 3)]


def test_a_key_that_is_empty_is_none():
    (provider,) = parse(f"api_key: '', {KEYS}").providers
    assert [key.name for key in list_keys(provider)] == ["a", "b"]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ("api_keys: [{name: a, key: x}, {name: a, key: y}]", "providers[0].api_keys[1].name: 'a' stands there already"),
        (
            "api_key: x, api_keys: [{name: '1', key: y}]",
            "providers[0].api_keys[0].name: '1' is what `api_key` is called",
        ),
        ("concurrency: {min: 9, max: 8}", "providers[0].concurrency.min: must be at most max, which is 8"),
        ("api_keys: [{name: a, key: x, weight: 0}]", "providers[0].api_keys[0].weight"),
        ("api_keys: [{name: 'a b', key: x}]", "providers[0].api_keys[0].name"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(members, problem):
    with pytest.raises(ConfigError) as error:
        parse(members)
    assert problem in str(error.value)


def test_a_least_that_nobody_wrote_gives_way_to_a_small_most():
    assert parse("concurrency: {max: 2}").providers[0].concurrency.max == 2
    assert parse("api_keys: [{name: '1', key: x}]").providers[0].api_keys[0].name == "1"


def test_keys_are_shown_nowhere_and_sent_only_to_who_needs_them():
    settings = parse(KEYS)
    shown = [repr(settings), encode(settings, reveal=False).decode(), document_for("edge", settings).decode()]
    assert not [text for text in shown if "canary" in text]
    assert decode(document_for("edge", settings)).providers[0].api_keys == []
    assert decode(document_for("provider", settings)).providers == settings.providers


def test_another_key_is_another_version():
    assert snapshot_version(parse(KEYS)) != snapshot_version(parse(KEYS.replace("two", "three")))


def test_each_key_may_stand_in_a_file_or_a_variable(tmp_path, monkeypatch):
    (tmp_path / "key").write_text("canary-file\n")
    monkeypatch.setenv("SOME_KEY", "canary-variable")
    settings = parse(f"api_keys: [{{name: a, key: '${{FILE:{tmp_path}/key}}'}}, {{name: b, key: '${{SOME_KEY}}'}}]")
    assert [key.key.reveal() for key in settings.providers[0].api_keys] == ["canary-file", "canary-variable"]
