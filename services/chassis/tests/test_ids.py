"""Call ids sort by time and never meet."""

import re
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from chassis import ids

milliseconds = st.integers(0, 2**48 - 1)


def new_id_at(ms: int) -> str:
    """An id made when the clock shows `ms` since the epoch."""
    with patch("chassis.ids.time.time_ns", return_value=ms * 1_000_000):
        return ids.new_call_id()


def test_an_id_has_the_documented_form():
    assert re.fullmatch(r"req_[0-9a-hjkmnp-tv-z]{26}", ids.new_call_id())


def test_ids_of_the_same_instant_differ():
    assert len({ids.new_call_id() for _ in range(10_000)}) == 10_000


@given(milliseconds, milliseconds)
def test_ids_sort_as_their_times_do(one, other):
    first, second = new_id_at(min(one, other)), new_id_at(max(one, other))
    assert one == other or first < second


def test_an_id_tells_its_time():
    """The example of the ULID specification (https://github.com/ulid/spec): ten characters of milliseconds first."""
    assert new_id_at(1_469_922_850_259).removeprefix("req_")[:10] == "01arz3ndek"
