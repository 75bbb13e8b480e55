"""One subscriber's way through a flight, at its own pace."""

import asyncio
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from chassis.errors import RunestoneError
from provider_svc import events
from provider_svc.call import Call
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import AttachResponse, CallEvent, CallResponse

if TYPE_CHECKING:
    from provider_svc.flight import Flight

Response = TypeVar("Response", CallResponse, AttachResponse)


class Subscription(Generic[Response]):
    """An async iterator of messages, each with the events that were ready together; none while its call is paused, but for a
    failure.

    `read` counts the bytes it has taken. It waits as long as the flight runs; its call's deadline bounds that.
    """

    __slots__ = (
        "_flight",
        "_form",
        "_most",
        "_parting",
        "_saw_end",
        "_seq",
        "_told",
        "_told_accepted",
        "_waiter",
        "call",
        "read",
    )

    def __init__(self, flight: "Flight", call: Call, form: type[Response], after_seq: int, most: int) -> None:
        self.read = flight.ring.offset_behind(after_seq)
        self.call = call
        self._flight = flight
        self._form: type[Response] = form
        self._seq = after_seq
        self._most = most
        self._saw_end = False
        self._told: Usage | None = None
        self._told_accepted: CallEvent | None = None
        self._parting: CallEvent | None = None
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Something has come; nothing when nobody waits for it."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self) -> None:
        """Ends the subscription; doing it twice is harmless."""
        self._flight.unsubscribe(self)

    def part(self, error: RunestoneError) -> None:
        """Ends with `error`, alone, whatever the flight does."""
        self._parting = self._flight.failure(error, self._seq)
        self.leave()
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
            response.events.append(self._parting)
        return response

    def _has_news(self) -> bool:
        flight = self._flight
        if self._parting is not None:
            return True
        if self.call.is_paused:
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
            response.events.append(flight.end_for(self.call))
