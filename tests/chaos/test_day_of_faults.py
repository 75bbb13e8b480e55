"""A short day of faults: `make chaos` is a longer one."""

import pytest
from chaos.day_of_faults import Day, run
from chaos.load import ANSWERED, CUT, LOST
from chaos.weather import FAULTS, SHELTER, forecast
from hypothesis import given
from hypothesis import strategies as st


@given(seed=st.integers(0, 2**32), targets=st.integers(2, 5))
def test_at_every_moment_one_target_is_well_and_stays_so(seed, targets):
    spells = forecast(seed, targets, 60.0)
    assert spells == forecast(seed, targets, 60.0)
    for moment in {spell.start for spell in spells} | {spell.start - SHELTER for spell in spells}:
        near = {one.target for one in spells if one.start <= moment + SHELTER and one.end > moment}
        assert len(near) < targets, moment
    for one, other in ((one, other) for one in spells for other in spells if one.target == other.target):
        assert one == other or one.end <= other.start or other.end <= one.start


def test_a_day_breaks_targets_in_every_way():
    assert {spell.fault for spell in forecast(1, 4, 600.0)} == set(FAULTS)


@pytest.mark.timeout(90)
def test_no_call_is_lost_that_some_target_could_have_answered():
    """Streams that are cut behind what is the client's already are told so, and are none of these."""
    report = run(Day(seconds=12.0, seed=3), "--one-process")
    lost = [report.explain(ending) for ending in report.tally.unanswered if ending.fate == LOST]
    assert lost == []
    fates = report.tally.fates
    assert fates[ANSWERED] + fates[CUT] == report.tally.calls == 144
    assert report.calls_upstream_for_each > 1.0
    assert report.calls_upstream_for_each < 1.3
