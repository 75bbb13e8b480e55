from hypothesis import given
from hypothesis import strategies as st

from launcher.backoff import RestartPolicy, Restarts


def test_pauses_double_from_almost_nothing_up_to_the_ceiling():
    restarts, now, pauses = Restarts(RestartPolicy(most=20)), 0.0, []
    for _ in range(9):
        pauses.append(restarts.pause_after(started=now, ended=now))
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_health_begins_the_pauses_anew():
    restarts = Restarts(RestartPolicy())
    for _ in range(4):
        restarts.pause_after(started=0, ended=0)
    assert restarts.pause_after(started=0, ended=30) == 0.05


def test_more_deaths_than_allowed_in_the_window_are_a_crash_loop():
    restarts = Restarts(RestartPolicy(most=3, window=60))
    assert all(restarts.pause_after(started=0, ended=second) is not None for second in (0, 10, 20))
    assert restarts.pause_after(started=20, ended=59) is None


def test_old_deaths_are_forgotten():
    restarts = Restarts(RestartPolicy(most=3, window=60))
    for second in (0, 10, 20):
        restarts.pause_after(started=0, ended=second)
    assert restarts.pause_after(started=20, ended=60) is not None


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=60))
def test_no_pause_is_shorter_than_the_first_or_longer_than_the_ceiling(lives):
    restarts, now = Restarts(policy := RestartPolicy()), 0.0
    for life in lives:
        pause = restarts.pause_after(started=now, ended=now + life)
        assert pause is None or policy.first <= pause <= policy.ceiling
        now += life
