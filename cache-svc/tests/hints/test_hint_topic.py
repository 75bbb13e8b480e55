"""The hints of one topic, held to a model."""

from hypothesis import given
from hypothesis import strategies as st

from cache_svc.hints.store import Hint
from cache_svc.hints.topic import Topic

KEYS = st.sampled_from([b"a", b"b", b"c", b"d"])
TOLD = st.lists(st.tuples(KEYS, st.integers(1, 9), st.integers(0, 3)), max_size=20)


def hint(key, ttl=60.0):
    return Hint(key, "s", ttl)


@given(TOLD)
def test_what_holds_is_the_last_hint_of_each_key_with_the_rest_of_its_time(told):
    topic, model, now = Topic(), {}, 0
    for key, ttl, pause in told:
        now += pause
        topic.tell(hint(key, ttl), now)
        model.pop(key, None)
        model[key] = now + ttl
    expected = tuple(hint(key, until - now) for key, until in model.items() if until > now)
    assert topic.list_behind(0, now) == expected
    assert topic.is_over(now) <= (expected == ())


@given(TOLD, st.integers(0, 20))
def test_who_follows_from_a_place_misses_no_key(told, place):
    topic = Topic()
    for key, _, _ in told:
        topic.tell(hint(key), 0)
    later = {key for key, _, _ in told[place:]}
    assert {heard.key for heard in topic.list_behind(place, 0)} == later
    assert topic.list_behind(topic.place, 0) == ()


@given(TOLD)
def test_it_never_holds_more_than_may_be_and_forgets_the_longest_told(told):
    topic = Topic(max_hints=2)
    for key, _, _ in told:
        topic.tell(hint(key), 0)
        assert len(topic) <= 2
        assert topic.list_behind(0, 0)[-1].key == key


def test_what_is_over_makes_room_before_what_holds():
    topic = Topic(max_hints=2)
    topic.tell(hint(b"long", 60), 0)
    topic.tell(hint(b"short", 1), 0)
    topic.tell(hint(b"next", 60), 2)
    assert [heard.key for heard in topic.list_behind(0, 2)] == [b"long", b"next"]


def test_a_topic_is_over_with_its_last_hint():
    topic = Topic()
    assert topic.is_over(0)
    topic.tell(hint(b"a", 5), 0)
    assert not topic.is_over(4.9)
    assert topic.is_over(5)
