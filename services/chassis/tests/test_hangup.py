"""SIGHUP means two things, and which one depends on whether somebody still sits there."""

import signal

from chassis.hangup import obey_hangup


def heard(*, before: bool, after: bool) -> list[str]:
    """What SIGHUP does to a process that had a terminal `before`, or has one `after`."""
    done, terminal = [], iter([before, after])
    obey = obey_hangup(lambda: done.append("stop"), lambda: done.append("look"), lambda: next(terminal, after))
    obey()
    return done


def test_a_daemon_looks_at_its_configuration():
    assert heard(before=False, after=False) == ["look"]


def test_a_process_in_a_terminal_looks_at_its_configuration():
    assert heard(before=True, after=True) == ["look"]


def test_a_process_whose_terminal_is_gone_stops():
    assert heard(before=True, after=False) == ["stop"]


def test_under_nohup_the_end_of_the_terminal_stops_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert heard(before=True, after=False) == ["look"]
    finally:
        signal.signal(signal.SIGHUP, before)
