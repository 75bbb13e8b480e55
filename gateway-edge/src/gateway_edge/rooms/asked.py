"""A stream that was asked for in this edge, for the whole room."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import orjson

from chassis.errors import RunestoneError
from gateway_edge.channels.channel import Answer
from gateway_edge.channels.numbering import Numbered
from gateway_edge.rooms.crowd import Member
from gateway_edge.rooms.generation import Generation
from gateway_edge.rooms.reading import Following


class Host(Protocol):
    """Where it runs: the streams of a room."""

    def begin(self, stream_id: str, api_key: str, key: str) -> Generation:
        """It runs from now on, asked for by the presence `key`."""

    async def announce(self, member: Member, told: dict[str, object]) -> int:
        """Tells everybody that it begins, and returns where in the room's order. Raises RunestoneError."""

    async def abandon(self, generation: Generation) -> None:
        """It is not to go on: nobody was told."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> object:
        """Runs `work` as long as the room is open."""


class Asked:
    """The `Sink` of its call, which `describe` says to the others. The answer to who asked is given once everybody was told of the stream; when
    they cannot be, there is none."""

    def __init__(
        self, host: Host, member: Member, answer: Answer, describe: Callable[[str], dict[str, object]]
    ) -> None:
        self.member = member
        self.generation: Generation | None = None
        self._host = host
        self._answer = answer
        self._describe = describe
        self._call_id = ""
        self._following: Following | None = None

    def open(self, call_id: str) -> "Asked":
        """Its call has an id, which is the stream's."""
        self._call_id = call_id
        return self

    def admit(self) -> None:
        """It is valid and within its limits: the room is told."""
        self.generation = self._host.begin(self._call_id, self.member.api_key, self.member.key)
        self.generation.is_own = True
        self._following = Following(self.generation)
        self._host.spawn(self._announce(self.generation))

    def start(self, headers: dict[str, str]) -> None:
        """Who answers is not what the room waits for."""

    async def deliver(self, events: Sequence[Numbered]) -> None:
        """The next events, for everybody."""
        assert self._following is not None, "it is admitted first"
        await self._following.deliver(events)

    def fail(self, error: RunestoneError) -> None:
        """The outcome's to tell, but to who asked for what never began."""
        if self.generation is None:
            self._answer.error(error)

    def refuse(self, error: RunestoneError) -> None:
        """There is no stream."""
        self._answer.error(error)

    async def _announce(self, generation: Generation) -> None:
        try:
            position = await self._host.announce(self.member, self._describe(generation.stream_id))
        except RunestoneError as error:
            self._answer.error(error)
            await self._host.abandon(generation)
        else:
            self._answer.ok(orjson.dumps({"stream_id": generation.stream_id, "position": position}))
