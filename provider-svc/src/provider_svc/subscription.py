"""One subscriber's way through a flight, at its own pace."""

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from chassis.errors import RunestoneError
from provider_svc import events
from provider_svc.call import Call
from runestone.common.v1.error_pb2 import ERROR_REASON_EVENTS_LOST
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import AttachResponse, CallEvent, CallResponse

if TYPE_CHECKING:
    from provider_svc.flight import Flight

Response = TypeVar("Response", CallResponse, AttachResponse)


class Role(Enum):
    """What a subscription is to its flight."""

    FOLLOWER = auto()  # the call lives as long as it is there, and as fast as it reads
    WATCHER = auto()  # only looks on
    COPIER = auto()  # only looks on, also while the call is paused


class Subscription(Generic[Response]):
    """An async iterator of messages, each with the events that were ready together; none while its call is paused, but for a
    failure.

    `read` counts the bytes it has taken. It waits as long as the flight runs; its call's deadline bounds that. One that `is_watching` keeps
    no call alive and sets no pace; it reads EVENTS_LOST when it falls behind.
    """

    __slots__ = (
        "_flight",
        "_form",
        "_is_copying",
        "_most",
        "_parting",
        "_saw_end",
        "_seq",
        "_told",
        "_told_accepted",
        "_waiter",
        "call",
        "is_watching",
        "read",
    )

    def __init__(
        self, flight: "Flight", call: Call, form: type[Response], after_seq: int, *, most: int, role: Role
    ) -> None:
        self.read = flight.ring.offset_behind(after_seq)
        self.call = call
        self._flight = flight
        self._form: type[Response] = form
        self._seq = after_seq
        self._most = most
        self.is_watching = role is not Role.FOLLOWER
        self._is_copying = role is Role.COPIER
        self._saw_end = False
        self._told: Usage | None = None
        self._told_accepted: CallEvent | None = None
        self._parting: CallEvent | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def has_begun_the_call(self) -> bool:
        """Whether it is that of the rpc which began the call."""
        return self._form is CallResponse

    def only_watch(self) -> None:
        """Looks on from now on."""
        self.is_watching = True

    def wake(self) -> None:
        """Something has come; nothing when nobody waits for it."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self) -> None:
        """Ends the subscription; doing it twice is harmless. When the one that began a resumable call goes like this, before it has read
        an end, another has to settle it."""
        if self.call.resume_window and not self._saw_end and self.has_begun_the_call:
            self._flight.note_unsettled(self.call)
        self._flight.unsubscribe(self)

    def part(self, error: RunestoneError) -> None:
        """Ends with `error`, alone, whatever the flight does."""
        self._parting = self._flight.failure(error, self._seq)
        self._flight.unsubscribe(self)
        self.wake()

    async def aclose(self) -> None:
        """Leaves, as whoever iterates over an rpc's answers expects."""
        self.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Response:
        """What is ready, as soon as anything is. Ends behind `completed` or `failed`."""
        if self._saw_end:
            raise StopAsyncIteration
        while not self._has_news():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        response = self._form()
        if self._parting is None:
            self._take(response)
        if self._parting is not None:
            self._saw_end = True
            self._write_end(response, self._parting)
        return response

    def _write_end(self, response: CallResponse | AttachResponse, end: CallEvent) -> None:
        """Of a call that has lost who was to settle it, the first that follows to its end does."""
        response.events.append(end)
        if not self.call.lacks_settler:
            return
        is_lost = end.failed.error.reason == ERROR_REASON_EVENTS_LOST
        if isinstance(response, AttachResponse) and not self.is_watching and not is_lost:
            response.settles = True
            self.call.lacks_settler = False

    def _has_news(self) -> bool:
        flight = self._flight
        if self._parting is not None:
            return True
        if self.call.is_paused and not self._is_copying:
            return flight.is_over and not flight.is_whole
        if flight.ring.last_seq > self._seq or flight.end is not None:
            return True
        return flight.accepted_for(self.call) is not self._told_accepted

    def _take(self, response: Response) -> None:
        flight = self._flight
        if (accepted := flight.accepted_for(self.call)) is not self._told_accepted and accepted is not None:
            self._told_accepted = accepted
            response.events.append(accepted)
        try:
            news = flight.ring.read(self._seq, self._most)
        except RunestoneError as lost:
            self.part(lost)
            return
        if news is not None:
            self._seq = news.last_seq
            self.read += len(news.body)
            flight.note_read(self)
            event = response.events.add()
            events.write_data(event, news)
            if (usage := flight.news) is not self._told and usage is not None:
                self._told = usage
                event.data.usage.CopyFrom(usage)
        if flight.end is not None and self._seq == flight.ring.last_seq:
            self._saw_end = True
            self._write_end(response, flight.end_for(self.call))
