"""What an operator may ask to be forgotten, and that nothing is taken for more than it says."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from launcher.cache_orders import describe_selection, read_purge, read_shred, select
from runestone.cache.v1.cache_pb2 import Selection


@pytest.mark.parametrize(
    ("body", "selection"),
    [
        (b'{"tenant": "acme"}', Selection(tenant="acme")),
        (b'{"model": "fast", "tag": "batch"}', Selection(model="fast", tag="batch")),
        (b'{"key_prefix": "aBcd"}', Selection(key_prefix=b"\xab\xcd")),
        (b'{"key_prefix": "%s"}' % (b"0f" * 32), Selection(key_prefix=b"\x0f" * 32)),
        (b'{"everything": true}', Selection(everything=True)),
        (b'{"everything": true, "tenant": "acme"}', Selection(everything=True, tenant="acme")),
    ],
)
def test_what_is_said_is_selected(body, selection):
    assert read_purge(body) == selection


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"tenant": "\xff"}', "not valid JSON"),
        (b'{"tenant": "\\ud800"}', "not valid JSON"),
        (b"[]", "Expected `object`"),
        (b"{}", "says nothing"),
        (b'{"everything": false}', "says nothing"),
        (b'{"tenent": "acme"}', "unknown field `tenent`"),
        (b'{"tenant": ""}', "length >= 1 - at `tenant`"),
        (b'{"tenant": "", "model": "fast"}', "length >= 1 - at `tenant`"),
        (b'{"tenant": null, "model": "fast"}', "Expected `str`, got `null` - at `tenant`"),
        (b'{"everything": "true"}', "Expected `bool`, got `str` - at `everything`"),
        (b'{"key_prefix": "abc"}', "'abc' is no key"),
        (b'{"key_prefix": "ab cd"}', "is no key"),
        (b'{"key_prefix": "abcd\\n"}', "is no key"),
        (b'{"key_prefix": "%s"}' % (b"0f" * 33), "is no key"),
    ],
)
def test_what_is_not_understood_is_refused(body, complaint):
    """An unset variable in a script must not purge what it would have spared."""
    with pytest.raises(RunestoneError, match=complaint) as refusal:
        read_purge(body)
    assert refusal.value.reason is Reason.INVALID_REQUEST


@given(st.binary(max_size=40))
def test_no_body_fails_otherwise(body):
    with suppress(RunestoneError):
        assert read_purge(body) != Selection()


def test_a_command_line_selects_as_json_does():
    assert select({"tenant": "acme", "everything": True}) == read_purge(b'{"tenant": "acme", "everything": true}')
    with pytest.raises(RunestoneError, match="length >= 1 - at `tenant`"):
        select({"tenant": ""})


def test_a_command_line_that_is_not_utf_8_is_refused():
    with pytest.raises(RunestoneError, match="not valid UTF-8"):
        select({"tenant": "\udcff"})


@pytest.mark.parametrize("body", [b"{}", b'{"tenant": ""}', b'{"tenant": 1}', b'{"tenant": "a", "all": true}'])
def test_only_one_tenant_that_is_named_is_shredded(body):
    assert read_shred(b'{"tenant": "acme"}') == "acme"
    with pytest.raises(RunestoneError):
        read_shred(body)


def test_a_selection_is_described_by_what_it_says():
    selection = Selection(key_prefix=b"\xab", tenant="acme", everything=True)
    assert describe_selection(selection) == {"key_prefix": "ab", "tenant": "acme", "everything": True}
