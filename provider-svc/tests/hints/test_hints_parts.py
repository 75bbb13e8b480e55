"""The pure parts: keys, the outbox, what was heard."""

from hypothesis import given
from hypothesis import strategies as st

from provider_svc.hints.heard import Heard
from provider_svc.hints.outbox import Letter, Outbox
from provider_svc.hints.target_key import read_key, write_key

NAMES = st.text(max_size=60)


@given(NAMES, NAMES)
def test_a_key_says_which_target_it_was_made_of(provider, model):
    assert read_key(write_key(provider, model)) == (provider, model)


@given(st.binary(max_size=40))
def test_any_bytes_are_either_the_key_of_one_target_or_none(key):
    target = read_key(key)
    assert target is None or write_key(*target) == key


def test_a_key_is_as_long_as_cache_svc_takes():
    assert len(write_key("p", "m" * 507)) == 512
    assert write_key("p", "m" * 508) is None


def test_the_newest_of_a_key_takes_the_place_of_the_one_that_waits():
    outbox = Outbox(max_waiting=2)
    assert [outbox.put(Letter(key, 1.0)) for key in (b"a", b"b", b"c")] == [True, True, False]
    assert outbox.put(Letter(b"a", 2.0))
    assert outbox.first == (b"a", 2.0)


def test_a_newer_one_that_came_while_the_first_was_sent_stays():
    outbox = Outbox()
    sent = Letter(b"a", 1.0)
    outbox.put(sent)
    outbox.put(Letter(b"a", 2.0))
    outbox.remove(sent)
    assert outbox.first == (b"a", 2.0)
    outbox.remove(outbox.first)
    assert outbox.first is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(10, 60)), max_size=30))
def test_no_more_is_remembered_than_may_be_and_always_the_last_news(heard):
    memory = Heard(max_heard=2)
    for model, until in heard:
        if memory.note(("p", model), until, 0):
            assert memory.find(("p", model), 0) == until
        assert len(memory) <= 2
