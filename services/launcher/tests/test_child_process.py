"""One child, without a mesh around it."""

import asyncio
import sys

import pytest

from chassis.clock import SystemClock
from chassis.logs import get_logger
from launcher.backoff import RestartPolicy
from launcher.child import Child, Command, describe_end

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
async def make_child():
    """Makes children, and kills the ones that a failed test leaves."""
    made = []

    def make(*arguments: str, losses: list | None = None, restarts: list | None = None, most: int = 2) -> Child:
        child = Child(
            Command(name="part", arguments=arguments),
            RestartPolicy(first=0.001, ceiling=0.001, most=most),
            clock=SystemClock(),
            log=get_logger("test"),
            on_restart=(restarts if restarts is not None else []).append,
            on_loss=(losses if losses is not None else []).append,
        )
        made.append(child)
        return child

    yield make
    for child in made:
        child.kill()
        await child.stop(5)


async def until(holds) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def test_a_child_that_ignores_sigterm_is_killed(make_child, tmp_path):
    """After its grace; `up` on a file shows that it ignores the signal already."""
    flag = tmp_path / "up"
    child = make_child(sys.executable, "-c", STUBBORN.replace("print('up', flush=True)", f"open({str(flag)!r}, 'w')"))
    child.start()
    await until(flag.exists)
    await child.stop(0.05)
    assert child.pid is None


async def test_a_child_that_ends_is_started_again_until_it_is_a_crash_loop(make_child):
    losses, restarts = [], []
    child = make_child(sys.executable, "-c", "raise SystemExit(3)", losses=losses, restarts=restarts)
    child.start()
    await until(lambda: losses)
    assert restarts == ["part", "part"]
    assert str(losses[0]).startswith("part keeps ending (last with code 3)")


async def test_a_program_that_cannot_be_started_is_a_loss_at_once(make_child):
    losses = []
    child = make_child("/nonexistent/program", losses=losses)
    child.start()
    await until(lambda: losses)
    assert "cannot start part" in str(losses[0])


async def test_a_stopped_child_stays_stopped(make_child):
    restarts = []
    child = make_child(sys.executable, "-c", "import time; time.sleep(60)", restarts=restarts)
    child.start()
    await until(lambda: child.pid)
    await child.stop(5)
    assert (child.pid, restarts) == (None, [])


async def test_stopping_a_child_that_never_started_does_nothing(make_child):
    await make_child("true").stop(1)


@pytest.mark.parametrize(("code", "words"), [(0, "code 0"), (1, "code 1"), (-9, "SIGKILL"), (-63, "signal 63")])
def test_ends_are_named(code, words):
    assert describe_end(code) == words
