"""How much this process bears of what it can: calls, the event loop's lag, memory; the worst of them counts.

Lag and memory are measured four times a second, and only while calls run: an idle edge is not woken for it.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from chassis.config.schema import Protection

INTERVAL = 0.25  # seconds between two measurements
WINDOW = (
    4  # measurements of lag, the least of which counts: one slow turn of the loop is no overload, a second of them is
)


class Timer(Protocol):
    """What this needs of the event loop."""

    def time(self) -> float:
        """Seconds, monotonic."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> object:
        """Calls `callback` at `when`, or as soon after it as the loop gets there."""


class Pressure(Struct, frozen=True):
    """A share of what can be borne, and of what: `calls`, `loop_lag` or `memory`."""

    share: float
    of: str


class Load:
    """What this process bears now. `running` are its calls, `memory` the bytes that it holds, `lag` the seconds that the event
    loop has been late for a second now; `max_memory` is in bytes, where the configuration names none (None:
    not bounded). `on_measured` is called after every measurement."""

    def __init__(
        self, timer: Timer, measure_memory: Callable[[], int], max_memory: int | None, on_measured: Callable[[], None]
    ) -> None:
        self.running = 0
        self.memory = 0
        self.lag = 0.0
        self._timer = timer
        self._measure_memory = measure_memory
        self._max_memory = max_memory
        self._on_measured = on_measured
        self._due: float | None = None
        self._lags: deque[float] = deque(maxlen=WINDOW)

    def watch(self) -> None:
        """A call is here: measures from now on, as long as calls run."""
        if self._due is None:
            self._set_timer()

    def compare(self, protection: Protection) -> Pressure:
        """The worst of what is borne, as a share of what `protection` allows."""
        most = protection.max_memory or self._max_memory
        memory = self.memory / most if most else 0.0
        calls, lag = self.running / protection.max_calls, self.lag / protection.max_loop_lag
        if calls >= lag and calls >= memory:
            return Pressure(calls, "calls")
        return Pressure(lag, "loop_lag") if lag >= memory else Pressure(memory, "memory")

    def _set_timer(self) -> None:
        self._due = self._timer.time() + INTERVAL
        self._timer.call_at(self._due, self._measure)

    def _measure(self) -> None:
        assert self._due is not None
        self._lags.append(max(0.0, self._timer.time() - self._due))
        self.lag = min(self._lags) if len(self._lags) == WINDOW else 0.0
        self.memory = self._measure_memory()
        self._due = None
        if self.running:
            self._set_timer()
        else:
            self._lags.clear()
            self.lag = 0.0
        self._on_measured()

    def __repr__(self) -> str:
        return f"Load({self.running} calls, {self.lag:.3f} s late, {self.memory >> 20} MiB)"
