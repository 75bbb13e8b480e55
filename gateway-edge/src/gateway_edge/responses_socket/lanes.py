"""Turns in lanes: one at a time in each, in the order in which they were asked for; several lanes side by side."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from chassis.errors import Reason, RunestoneError
from gateway_edge.responses_socket.envelope import Turn

MOST_WAITING = 16  # turns of one lane, beside the one that runs

RunTurn = Callable[[Turn], Awaitable[None]]


class Lanes:
    """Runs turns by `run`, at most `most` at a time; those that wait, in all lanes, take at most `most_bytes`, or are one. `on_empty` is
    called when the last has ended."""

    def __init__(self, run: RunTurn, most: int, on_empty: Callable[[], None], *, most_bytes: int) -> None:
        self._run = run
        self._most = most
        self._most_bytes = most_bytes
        self._waiting = 0  # bytes
        self._on_empty = on_empty
        self._lanes: dict[str | None, deque[Turn]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing runs."""
        return not self._lanes

    def put(self, turn: Turn) -> None:
        """Runs a turn, or has it wait for its lane. Raises RATE_LIMITED where too many run, or wait, already."""
        lane = self._lanes.get(turn.lane)
        if lane is not None:
            self._wait(lane, turn)
            return
        if len(self._lanes) >= self._most:
            raise _refuse(f"{self._most} responses run on this connection already")
        self._lanes[turn.lane] = deque([turn])
        self._waiting += len(turn.body)
        task = asyncio.get_running_loop().create_task(self._go(turn.lane), name="responses lane")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wait(self, lane: deque[Turn], turn: Turn) -> None:
        if len(lane) >= MOST_WAITING:
            raise _refuse(f"{MOST_WAITING} responses wait for this lane already")
        if self._waiting and self._waiting + len(turn.body) > self._most_bytes:
            raise _refuse(f"what waits on this connection may take {self._most_bytes} bytes")
        lane.append(turn)
        self._waiting += len(turn.body)

    def end(self) -> None:
        """Ends all: nobody is there to be answered, or to be told."""
        for task in self._tasks:
            task.cancel()
        self._on_empty, self._run = _nothing, _run_nothing  # whoever gave them holds this object

    async def _go(self, lane: str | None) -> None:
        waiting = self._lanes[lane]
        try:
            while waiting:
                turn = waiting.popleft()
                self._waiting -= len(turn.body)
                await self._run(turn)
        finally:
            del self._lanes[lane]
            self._waiting -= sum(len(turn.body) for turn in waiting)
            if not self._lanes:
                self._on_empty()

    def __repr__(self) -> str:
        return f"Lanes({len(self._lanes)}/{self._most})"


def _nothing() -> None:
    """Nobody is left to be told."""


async def _run_nothing(_turn: Turn) -> None:
    """Nobody is left to run for."""


def _refuse(message: str) -> RunestoneError:
    return RunestoneError(Reason.RATE_LIMITED, message, code="too_many_responses")
