"""What is started is pinned, counted and stopped, down to the last process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.accounting import cpu_seconds, name_tree, pss_by_process, read_tree
from bench.cores import Cores, share_out
from bench.processes import make_environment, running
from bench.refusal import NotMeasured

CORE = min(os.sched_getaffinity(0))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_with_two_cores_the_gateway_has_one_alone():
    assert share_out([5, 2]) == Cores(gateway=2, upstream=5, load=5)


def test_with_more_cores_everybody_has_one():
    assert share_out(range(8)) == Cores(gateway=0, upstream=6, load=7)


@pytest.mark.parametrize("available", [[], [3]])
def test_with_fewer_than_two_cores_nothing_is_measured_and_the_reason_is_said(available):
    with pytest.raises(NotMeasured, match="two cores"):
        share_out(available)


def test_python_compiles_its_modules_where_it_is_measured(monkeypatch):
    """Whoever runs the bench may have switched that off for himself."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in make_environment({})
    assert make_environment({"A": "b"})["A"] == "b"


def test_the_whole_tree_is_on_the_core_that_was_given(tmp_path):
    with running(["sh", "-c", "sleep 60 & sleep 60"], core=CORE, log=tmp_path / "log") as process:
        wait_until(lambda: len(read_tree(process.pid)) == 3)
        assert {frozenset(os.sched_getaffinity(member.pid)) for member in read_tree(process.pid)} == {frozenset({CORE})}


def test_an_orphan_stays_in_the_tree_and_is_stopped_with_it(tmp_path):
    """A gateway whose supervisor was killed would otherwise be measured at nothing, and left behind."""
    with running(["sh", "-c", "(sleep 60 & exec sleep 0) ; exec sleep 61"], core=CORE, log=tmp_path / "log") as process:
        wait_until(lambda: [member.parent for member in read_tree(process.pid)][1:] == [process.pid])
        wait_until(lambda: sorted(name_tree(process.pid).values()) == ["sleep", "sleep"])
        family = read_tree(process.pid)
    assert [member for member in family if read_tree(member.pid)] == []


def test_who_does_not_stop_when_asked_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.processes.PATIENCE", 0.3)
    command = ["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"]
    with running(command, core=CORE, log=tmp_path / "log") as process:
        wait_until(lambda: Path(tmp_path, "log").read_text() == "on\n")
    assert process.poll() == -9


def test_cpu_of_a_child_that_ended_is_counted(tmp_path):
    work = f"{sys.executable} -c 'sum(range(20_000_000))'; echo done; exec sleep 60"
    with running(["sh", "-c", work], core=CORE, log=tmp_path / "log") as process:
        wait_until(lambda: Path(tmp_path, "log").read_text() == "done\n")
        assert [member.pid for member in read_tree(process.pid)] == [process.pid]
        assert cpu_seconds(process.pid) > 0.05


def test_memory_is_told_by_process(tmp_path):
    with running([sys.executable, "-c", "input()"], core=CORE, log=tmp_path / "log"):
        pass
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_until(lambda: name_tree(process.pid) == {process.pid: "sleep"})
        assert 0 < pss_by_process(process.pid)["sleep"] < 100
        process.kill()
