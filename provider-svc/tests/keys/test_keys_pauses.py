from hypothesis import given
from hypothesis import strategies as st

from provider_svc.health.pressure import LONGEST_HINTED
from provider_svc.keys.pauses import MOST, Pauses


def test_a_hint_is_kept_to_the_moment_and_for_its_model_alone():
    pauses = Pauses()
    assert pauses.note_refusal("m", 7.25, 99.0, 100.0)
    assert (pauses.left("m", 100.0), pauses.left("m", 107.0), pauses.left("m", 107.25)) == (7.25, 0.25, 0.0)
    assert pauses.left("other", 100.0) == 0.0


@given(hint=st.floats(0.001, 1e6))
def test_no_hint_holds_longer_than_a_minute(hint):
    pauses = Pauses()
    pauses.note_refusal("m", hint, 99.0, 100.0)
    assert 0 < pauses.left("m", 100.0) <= LONGEST_HINTED


def refuse_in_turn(pauses, count, now=100.0):
    lengths = []
    for _ in range(count):
        pauses.note_refusal("m", None, now, now + 0.1)
        lengths.append(round(pauses.left("m", now + 0.1), 6))
        now += 0.1 + lengths[-1]
    return lengths, now


def test_without_a_hint_each_pause_is_twice_the_last_up_to_half_a_minute():
    lengths, _ = refuse_in_turn(Pauses(), 9)
    assert lengths == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_an_answer_of_a_later_call_makes_pauses_short_again():
    pauses = Pauses()
    _, now = refuse_in_turn(pauses, 4)
    pauses.note_answer("m", now - 60)
    assert refuse_in_turn(pauses, 1, now)[0] == [8]
    pauses.note_answer("m", now + 30)
    assert len(pauses) == 0
    assert refuse_in_turn(pauses, 1, now + 40)[0] == [0.5]


def test_the_refusals_of_one_burst_are_one_pause():
    pauses = Pauses()
    begun = [pauses.note_refusal("m", None, 100.0, 100.1 + number / 100) for number in range(20)]
    assert begun == [True] + [False] * 19
    assert 0.3 < pauses.left("m", 100.29) <= 0.5


@given(names=st.lists(st.integers(0, 600), max_size=700))
def test_what_is_remembered_is_bounded(names):
    pauses = Pauses()
    for number, name in enumerate(names):
        pauses.note_refusal(str(name), 5.0, 100.0 + number, 100.0 + number)
        assert pauses.left(str(name), 100.0 + number) > 0
    assert len(pauses) <= MOST
