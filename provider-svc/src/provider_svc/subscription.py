"""One subscriber's way through a flight, at its own pace."""

import asyncio
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from provider_svc import events
from runestone.provider.v1.provider_pb2 import AttachResponse, CallResponse

if TYPE_CHECKING:
    from provider_svc.flight import Flight

Response = TypeVar("Response", CallResponse, AttachResponse)


class Subscription(Generic[Response]):
    """An async iterator of messages, each with the events that were ready together.

    `read` counts the bytes it has taken. It waits as long as the flight runs; the flight's deadline bounds that.
    """

    __slots__ = ("_flight", "_form", "_most", "_saw_accepted", "_saw_end", "_seq", "_waiter", "read")

    def __init__(self, flight: "Flight", form: type[Response], after_seq: int, most: int) -> None:
        self.read = flight.ring.offset_behind(after_seq)
        self._flight = flight
        self._form: type[Response] = form
        self._seq = after_seq
        self._most = most
        self._saw_accepted = False
        self._saw_end = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Something has come; nothing when nobody waits for it."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def leave(self) -> None:
        """Ends the subscription; doing it twice is harmless."""
        self._flight.unsubscribe(self)

    async def aclose(self) -> None:
        """Leaves, as whoever iterates over an rpc's answers expects."""
        self.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Response:
        """What is ready, as soon as anything is: who wakes brings something. Ends behind `completed` or `failed`."""
        if self._saw_end:
            raise StopAsyncIteration
        if not self._has_news():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._take()

    def _has_news(self) -> bool:
        flight = self._flight
        is_begun = flight.accepted is not None and not self._saw_accepted
        return is_begun or flight.ring.last_seq > self._seq or flight.end is not None

    def _take(self) -> Response:
        flight, response = self._flight, self._form()
        if flight.accepted is not None and not self._saw_accepted:
            self._saw_accepted = True
            response.events.append(flight.accepted)
        if (news := flight.ring.read(self._seq, self._most)) is not None:
            self._seq = news.last_seq
            self.read += len(news.body)
            flight.weigh()
            events.write_data(response.events.add(), news)
        if flight.end is not None and self._seq == flight.ring.last_seq:
            self._saw_end = True
            response.events.append(flight.end)
        return response
