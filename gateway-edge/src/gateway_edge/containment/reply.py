"""The way back past a middleware of a user's own: whose fault it is when sending fails, and going on without its reply."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.errors import RunestoneError
from gateway_edge.call import Call
from gateway_edge.reply import PassingReply, Reply

Report = Callable[[Call, BaseException], None]  # notes what a middleware raised, and raises what is to fail the call


def is_meant(error: BaseException) -> bool:
    """Whether a middleware may raise `error` without being broken: to refuse, or because the call is being ended. A
    CancelledError without that is a task of its own that was cancelled."""
    return isinstance(error, RunestoneError | GeneratorExit) or (
        isinstance(error, asyncio.CancelledError) and _is_cancelled()
    )


def raise_if_cancelled() -> None:
    """Raises CancelledError in a task that is being cancelled, when somebody has kept that to himself."""
    if _is_cancelled():
        raise asyncio.CancelledError


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class WayBack(PassingReply):
    """The reply as a middleware found it: how often that used it, and what it raised by itself."""

    def __init__(self, inner: Reply) -> None:
        super().__init__(inner)
        self.uses = 0
        self.error: BaseException | None = None

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer."""
        await self._pass(self.inner.send(body, content_type, status))

    async def begin(self, content_type: str) -> None:
        """Says what kind of body follows."""
        await self._pass(self.inner.begin(content_type))

    async def write(self, events: bytes) -> None:
        """Sends whole events."""
        await self._pass(self.inner.write(events))

    async def close(self) -> None:
        """Ends the stream."""
        await self._pass(self.inner.close())

    async def _pass(self, passing: Awaitable[None]) -> None:
        self.uses += 1
        try:
            await passing
        except BaseException as error:
            self.error = error
            raise


class ContainedReply(PassingReply):
    """The reply that a middleware put in front of the way back. When that breaks, what it was sending goes past it, unless it
    was passed on already, and so does everything after."""

    def __init__(self, call: Call, front: Reply, way_back: WayBack, report: Report) -> None:
        super().__init__(way_back)
        self._call = call
        self._front: Reply = front
        self._way_back = way_back
        self._report = report

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer."""
        if not await self._succeeds(lambda front: front.send(body, content_type, status)):
            await self.inner.send(body, content_type, status)

    async def begin(self, content_type: str) -> None:
        """Says what kind of body follows."""
        if not await self._succeeds(lambda front: front.begin(content_type)):
            await self.inner.begin(content_type)

    async def write(self, events: bytes) -> None:
        """Sends whole events."""
        if not await self._succeeds(lambda front: front.write(events)):
            await self.inner.write(events)

    async def close(self) -> None:
        """Ends the stream."""
        if not await self._succeeds(lambda front: front.close()):
            await self.inner.close()

    async def _succeeds(self, use: Callable[[Reply], Awaitable[None]]) -> bool:
        """Whether it was passed on. Raises what fails the call."""
        uses = self._way_back.uses
        try:
            await use(self._front)
        except BaseException as error:
            if is_meant(error) or error is self._way_back.error:
                raise
            self._front = self._way_back
            raise_if_cancelled()
            self._report(self._call, error)
            return self._way_back.uses > uses
        raise_if_cancelled()
        return True
