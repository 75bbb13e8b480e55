"""One session: a provider's socket, and who may speak on it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from websockets.exceptions import ConnectionClosed

from chassis.errors import Reason, RunestoneError
from provider_svc.realtime.metering import Metering
from provider_svc.realtime.upstream import Socket, cut
from runestone.realtime.v1.realtime_pb2 import Ended, Message, RealtimeEvent

LEAVING = 0.05  # seconds that a provider is given to take a close frame of a session that nobody follows any more
LOST = 1006  # no close frame came


class Session:
    """Between one reader (`events`) and those who `send`. Whoever opened it closes it with `leave`."""

    def __init__(self, tenant: str, socket: Socket, metering: Metering) -> None:
        self.tenant = tenant
        self._socket = socket
        self._metering = metering
        self._closing: asyncio.Task[None] | None = None

    async def events(self) -> AsyncIterator[RealtimeEvent]:
        """What the provider sends, and how it ends. Nothing more is read of it than is asked for here."""
        try:
            async for message in self._socket:
                yield self._tell(message)
        except ConnectionClosed:
            pass  # the codes say how
        code, reason = self._socket.close_code or LOST, self._socket.close_reason or ""
        yield RealtimeEvent(ended=Ended(code=code, reason=reason, created=self._metering.is_created))

    async def send(self, messages: Sequence[Message]) -> None:
        """Hands them on. Raises NOT_FOUND when the provider has closed, INVALID_REQUEST for text that is not UTF-8."""
        try:
            for message in messages:
                await self._socket.send(message.body if message.binary else message.body.decode())
        except ConnectionClosed as error:
            raise over() from error
        except UnicodeDecodeError as error:
            raise RunestoneError(Reason.INVALID_REQUEST, "a text message must be UTF-8") from error

    def begin_to_close(self, code: int, reason: str) -> None:
        """Says so to the provider; `events` end when it has answered, or had its time."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._socket.close(code, reason))

    async def leave(self) -> None:
        """Closes the provider's socket, whoever still waits for something: at once, but for a moment to say so."""
        self.begin_to_close(1001, "")
        assert self._closing is not None, "it has just begun"
        await asyncio.wait((self._closing,), timeout=LEAVING)
        cut(self._socket)
        self._closing.cancel()
        await asyncio.gather(self._closing, return_exceptions=True)

    def _tell(self, message: str | bytes) -> RealtimeEvent:
        if isinstance(message, bytes):
            return RealtimeEvent(message=Message(body=message, binary=True))
        body = message.encode()
        if not self._metering.see(body):
            return RealtimeEvent(message=Message(body=body))
        return RealtimeEvent(message=Message(body=body, usage=self._metering.usage, cost=self._metering.cost))


def over() -> RunestoneError:
    """One answer for a session that is unknown, over, or another tenant's."""
    return RunestoneError(Reason.NOT_FOUND, "no such session, or it is over")
