"""The calendar gives every key once, not before it is over, and soon after."""

from hypothesis import given
from hypothesis import strategies as st

from cache_svc.expiry import Calendar

NOW = 1000.5
ends = st.lists(st.floats(0.001, 50), max_size=40)


@given(ends, st.lists(st.tuples(st.floats(0, 10), st.integers(1, 8)), max_size=40))
def test_a_key_is_taken_once_and_only_when_it_is_over(lifetimes, walk):
    calendar, now, taken = Calendar(NOW), NOW, []
    for number, lifetime in enumerate(lifetimes):
        calendar.add(number.to_bytes(2), NOW + lifetime)
    for wait, steps in walk:
        now += wait
        keys, has_more = calendar.take(now, steps)
        assert len(keys) <= steps
        assert all(NOW + lifetimes[int.from_bytes(key)] <= now for key in keys)
        taken += keys
        if not has_more:
            over = {number for number, lifetime in enumerate(lifetimes) if NOW + lifetime <= now - 1}
            assert over <= set(map(int.from_bytes, taken))
    assert len(taken) == len(set(taken))
    assert len(calendar) == len(lifetimes) - len(taken)


@given(ends, st.floats(0, 60))
def test_a_removed_key_is_never_taken(lifetimes, wait):
    calendar = Calendar(NOW)
    for number, lifetime in enumerate(lifetimes):
        calendar.add(number.to_bytes(2), NOW + lifetime)
    for number, lifetime in list(enumerate(lifetimes))[::2]:
        calendar.remove(number.to_bytes(2), NOW + lifetime)
    keys, has_more = calendar.take(NOW + wait, 1000)
    assert not has_more
    assert all(int.from_bytes(key) % 2 for key in keys)


def test_an_empty_calendar_takes_no_time_to_catch_up():
    calendar = Calendar(NOW)
    assert calendar.take(NOW + 1e9, 1) == ([], False)
    calendar.add(b"k", NOW + 1e9 + 5)
    assert calendar.take(NOW + 1e9 + 7, 10) == ([b"k"], False)
