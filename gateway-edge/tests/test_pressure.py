"""What an edge bears: measured only while calls run, on a loop that tests own."""

from collections.abc import Callable

import pytest

from chassis.config.schema import Protection
from chassis.config.units import Duration, Size
from gateway_edge.protection.pressure import INTERVAL, WINDOW, Load

PROTECTION = Protection(max_calls=10, max_loop_lag=Duration(1))


class FakeLoop:
    """A loop on which time passes only when told to; `late` is how late it calls what is due."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.late = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> object:
        self.due.append((when, callback))
        return None

    def turn(self) -> None:
        """Does what is due next."""
        (when, callback), *self.due = self.due
        self.now = when + self.late
        callback()


class Measured:
    def __init__(self, max_memory: int | None = 1000) -> None:
        self.loop = FakeLoop()
        self.memory = 0
        self.times = 0
        self.load = Load(self.loop, lambda: self.memory, max_memory, self._note)

    def _note(self) -> None:
        self.times += 1

    @property
    def pressure(self) -> tuple[float, str]:
        found = self.load.compare(PROTECTION)
        return round(found.share, 6), found.of


@pytest.fixture
def measured() -> Measured:
    return Measured()


def test_an_idle_edge_is_not_woken(measured: Measured) -> None:
    assert measured.loop.due == []
    measured.load.watch()
    measured.loop.turn()
    assert measured.loop.due == []
    assert measured.times == 1


def test_while_calls_run_it_measures_once_an_interval(measured: Measured) -> None:
    measured.load.running = 1
    for _ in range(3):
        measured.load.watch()
    assert [when for when, _ in measured.loop.due] == [1000.0 + INTERVAL]
    measured.loop.turn()
    measured.load.watch()
    assert [when for when, _ in measured.loop.due] == [1000.0 + 2 * INTERVAL]


def test_calls_are_a_share_of_those_that_may_run(measured: Measured) -> None:
    measured.load.running = 9
    assert measured.pressure == (0.9, "calls")


def test_lag_counts_when_it_lasts(measured: Measured) -> None:
    """One slow turn is no overload."""
    measured.load.running = 1
    measured.load.watch()
    measured.loop.late = 0.9
    for _ in range(WINDOW - 1):
        measured.loop.turn()
        assert measured.pressure == (0.1, "calls")
    measured.loop.turn()
    assert measured.pressure == (0.9, "loop_lag")
    measured.loop.late = 0.2
    measured.loop.turn()
    assert measured.pressure == (0.2, "loop_lag")


def test_lag_is_forgotten_when_no_calls_run(measured: Measured) -> None:
    measured.load.running, measured.loop.late = 1, 0.9
    measured.load.watch()
    for _ in range(WINDOW):
        measured.loop.turn()
    measured.load.running = 0
    measured.loop.turn()
    assert measured.pressure == (0.0, "calls")


def test_memory_is_a_share_of_what_may_be_held(measured: Measured) -> None:
    measured.memory = 950
    measured.load.watch()
    measured.loop.turn()
    assert measured.pressure == (0.95, "memory")
    named = measured.load.compare(Protection(max_memory=Size(9500)))
    assert named.share == 0.1


def test_memory_that_is_not_bounded_is_no_pressure() -> None:
    measured = Measured(max_memory=None)
    measured.memory = 1 << 40
    measured.load.watch()
    measured.loop.turn()
    assert measured.pressure == (0.0, "calls")
