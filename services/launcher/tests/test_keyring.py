"""What commands do to a keys file: exactly what was asked, and nothing that anybody else wrote is lost."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.document import Source
from launcher.errors import LaunchError
from launcher.keyring import KeyRequest, add_key, describe_key, revoke_key, rotate_key, spell_file

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EMPTY = {"tenant": "acme", "keys": []}
NAMES = st.sampled_from(["a", "b", "c"])
PLAIN = st.none() | st.integers(-9, 9) | st.text(max_size=5)
WRITTEN = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name not in ("name", "hash", "previous")), PLAIN, max_size=3
)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "rotate", "revoke"]), NAMES, st.integers(0, 2)), max_size=12)


@given(STEPS, WRITTEN)
def test_any_course_of_commands_leaves_what_a_register_of_secrets_says(steps, written):
    """The register: for each key, the hashes that are good, newest first, never more than two."""
    file, register = EMPTY, {}
    for number, (deed, name, hours) in enumerate(steps):
        digest = f"hash-{number}"
        if deed == "add" and name not in register:
            file, register[name] = add_key(file, {"name": name, "hash": digest, **written}), [digest]
        elif name not in register:
            with pytest.raises(LaunchError, match="there is no key"):
                revoke_key(file, name)
        elif deed == "rotate":
            file = rotate_key(file, name, digest, now=NOW, grace=timedelta(hours=hours))
            register[name] = [digest, register[name][0]] if hours else [digest]
        elif deed == "revoke":
            file = revoke_key(file, name)
            del register[name]
    held = {
        key["name"]: [key["hash"], *([key["previous"]["hash"]] if "previous" in key else [])] for key in file["keys"]
    }
    assert held == register
    assert all(written.items() <= key.items() for key in file["keys"])


FILES = st.builds(
    lambda rest, keys: {"tenant": "acme", **rest, "keys": keys},
    WRITTEN.filter(lambda members: not members.keys() & {"tenant", "keys"}),
    st.lists(WRITTEN, max_size=3),
)


@given(FILES)
def test_a_written_file_is_read_as_what_it_was(file):
    """By C's reader and by YAML's, whoever edits it by hand."""
    text = spell_file(file)
    assert Source("f", text).read() == (file, [])
    assert len(text.splitlines()) >= len(file["keys"]) + 2


@given(FILES)
def test_a_key_that_is_made_changes_no_line_but_its_own(file):
    before, after = spell_file(file), spell_file(add_key(file, {"name": "new"}))
    kept = [line.rstrip(",") for line in before.splitlines() if line]
    assert [line for line in kept if line not in [other.rstrip(",") for other in after.splitlines()]] == []


def test_times_are_written_with_their_zone():
    key = describe_key(KeyRequest(name="a", expires_at=NOW), "h", NOW)
    written = json.loads(spell_file(rotate_key(add_key(EMPTY, key), "a", "i", now=NOW, grace=timedelta(hours=1))))
    (key,) = written["keys"]
    assert (key["created_at"], key["previous"]["until"]) == ("2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z")


def test_what_is_not_said_of_a_key_is_not_written():
    assert describe_key(KeyRequest(name="a"), "h", NOW) == {"name": "a", "hash": "h", "created_at": NOW}
