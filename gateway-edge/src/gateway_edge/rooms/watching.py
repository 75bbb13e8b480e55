"""Follows a room as it stands for all edges, for as long as it has members here."""

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

from chassis.client import closing
from chassis.errors import RunestoneError
from chassis.logs import Logger
from gateway_edge.rooms.shared import SharedRoom
from runestone.room.v1.room_pb2 import Change, State

SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 1.0  # seconds before it is watched anew; well below the grace that members have


class Follower(Protocol):
    """What is kept in step: `Room`."""

    position: int

    def take_state(self, state: State) -> None:
        """How it stands."""

    def take_changes(self, changes: Sequence[Change]) -> None:
        """What changed since."""

    def lose(self) -> None:
        """It is not known for now."""


async def watch(shared: SharedRoom, room: Follower, history: int, log: Logger) -> None:
    """Watches anew, from where it was, whenever a watch ends or breaks; until cancelled."""
    pause = SHORTEST_PAUSE
    while True:
        try:
            async with closing(shared.watch(room.position, history)) as responses:
                async for response in responses:
                    if response.HasField("state"):
                        room.take_state(response.state)
                        pause = SHORTEST_PAUSE
                    room.take_changes(response.changes)
        except RunestoneError:
            room.lose()
            pause = min(pause * 2, LONGEST_PAUSE)
        except Exception:
            log.exception("room watch crashed")
            room.lose()
            pause = LONGEST_PAUSE
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter, not secrecy
