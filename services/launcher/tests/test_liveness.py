"""Who hangs: a process that has been silent for long enough, which takes longer while it was never ready."""

import pytest

from launcher.inspection import PartStatus
from launcher.liveness import LivenessPolicy, Silences

READY = PartStatus(name="cache", address="unix:/c", is_ready=True, pid=7)
BUSY = PartStatus(name="cache", address="unix:/c", is_ready=False, pid=7)
SILENT = PartStatus(name="cache", address="unix:/c", error="does not answer (DEADLINE_EXCEEDED)")


def verdicts(*probes: tuple[PartStatus, int | None]) -> list[bool]:
    silences = Silences(LivenessPolicy(misses=3))
    return [silences.note(status, pid) for status, pid in probes]


def test_three_misses_in_a_row_are_a_hang():
    assert verdicts((READY, 7), *[(SILENT, 7)] * 3) == [False, False, False, True]


@pytest.mark.parametrize("answer", [READY, BUSY])
def test_any_answer_breaks_the_silence(answer):
    """Not ready is an answer: its store may be down, and a new process would not mend that."""
    assert not any(verdicts((READY, 7), (SILENT, 7), (SILENT, 7), (answer, 7), (SILENT, 7), (SILENT, 7)))


def test_a_process_that_was_never_ready_is_left_to_start():
    assert not any(verdicts(*[(SILENT, 7)] * 9))


def test_a_process_that_never_gets_ready_is_not_waited_for_without_end():
    """It may have hung before anybody saw it ready."""
    policy = LivenessPolicy(misses=3)
    assert verdicts(*[(SILENT, 7)] * policy.starting_misses)[-1]
    assert round(policy.every * policy.starting_misses) == 60


def test_a_new_process_has_its_own_start():
    """The misses of its predecessor are not its own, and neither is the predecessor's having been ready."""
    assert not any(verdicts((READY, 7), (SILENT, 7), (SILENT, 7), (SILENT, 8), (SILENT, 8), (SILENT, 8)))


def test_a_part_without_a_process_does_not_hang():
    assert not any(verdicts((READY, 7), *[(SILENT, None)] * 5))


def test_parts_are_judged_apart():
    silences = Silences(LivenessPolicy(misses=2))
    other = PartStatus(name="audit", address="unix:/a", is_ready=True, pid=9)
    for status, pid in ((READY, 7), (other, 9), (SILENT, 7), (other, 9)):
        assert not silences.note(status, pid)
    assert silences.note(SILENT, 7)


def test_the_default_is_about_ten_seconds():
    policy = LivenessPolicy()
    assert round(policy.every * policy.misses) == 10
