"""What happens when a middleware of a user's own raises: its call fails or goes on without it; nobody else notices."""

from asyncio import CancelledError
from collections.abc import Awaitable
from typing import Literal

from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from chassis.metric_families import Counter
from gateway_edge.call import Call
from gateway_edge.middleware.base import Middleware, Proceed
from gateway_edge.reply import PassingReply, Reply

OnError = Literal["fail", "skip"]

# What a middleware may raise without being broken: refusals, and the call's own end.
ENDED = (CancelledError, ConnectionError)
MEANT = (RunestoneError, GeneratorExit, *ENDED)


class Contained:
    """A middleware of a user's own. What it raises that is not a RunestoneError is logged with its traceback, counted, and
    then either fails the call (`fail`: 500) or is passed over (`skip`): the call goes on as if the middleware were not
    there. That holds for the reply that it may have put in front of the client's, too. What comes from behind it
    passes through untouched."""

    def __init__(self, middleware: Middleware, on_error: OnError, errors: Counter, log: Logger) -> None:
        self.name = middleware.name
        self._middleware = middleware
        self._on_error = on_error
        self._errors = errors
        self._log = log

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Runs the middleware around the rest of the way."""
        if await self._is_done(call, _Rest(self, proceed, call.reply)):
            return
        await proceed(call)

    async def _is_done(self, call: Call, rest: "_Rest") -> bool:
        """Whether the call needs no more: it went the rest of the way, or the middleware answered it itself."""
        try:
            await self._middleware(call, rest)
        except MEANT:
            raise
        except BaseException as error:
            if error is rest.error:
                raise
            self.report(call, error)
            if rest.error is not None:
                raise rest.error from error
            return rest.is_entered
        finally:
            call.reply = rest.reply
        if isinstance(rest.error, ENDED):
            raise rest.error  # nobody keeps to himself that the call is over
        return True

    def report(self, call: Call, error: BaseException) -> None:
        """Notes what it raised. Raises INTERNAL when that is to fail the call."""
        self._errors.labels(self.name, self._on_error).inc()
        self._log.warning("middleware raised", middleware=self.name, request_id=call.id, exc_info=error)
        if self._on_error == "fail":
            raise RunestoneError(Reason.INTERNAL, f"the middleware {self.name} failed; quote the request id") from error

    def __repr__(self) -> str:
        return f"Contained({self.name}, on_error={self._on_error})"


class _Rest:
    """The rest of the way as a contained middleware sees it: what happened there is not the middleware's."""

    def __init__(self, contained: Contained, proceed: Proceed, reply: Reply) -> None:
        self.reply = reply
        self.is_entered = False
        self.error: BaseException | None = None
        self._contained = contained
        self._proceed = proceed

    async def __call__(self, call: Call) -> None:
        if self.is_entered:
            raise RuntimeError("`proceed` may be called once only")
        self.is_entered = True
        if call.reply is not self.reply:
            call.reply = _ContainedReply(self._contained, call, self.reply)
        try:
            await self._proceed(call)
        except BaseException as error:
            self.error = error
            raise


class _ContainedReply(PassingReply):
    """The reply that a middleware put in front; when that breaks, the one behind it goes on from where it was."""

    def __init__(self, contained: Contained, call: Call, behind: Reply) -> None:
        super().__init__(call.reply)
        self._contained = contained
        self._call = call
        self._behind = behind

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        """Sends a whole answer."""
        if not await self._succeeds(self.inner.send(body, content_type, status)):
            await self._behind.send(body, content_type, status)

    async def write(self, events: bytes) -> None:
        """Sends whole events."""
        if not await self._succeeds(self.inner.write(events)):
            await self._behind.write(events)

    async def close(self) -> None:
        """Ends the stream."""
        if not await self._succeeds(self.inner.close()):
            await self._behind.close()

    def expect_events(self) -> None:
        """Begins to ping, whoever stands in between."""
        self._behind.expect_events()

    async def _succeeds(self, passing: Awaitable[None]) -> bool:
        """Whether it was passed on, by the middleware's reply or by what is left of it. Raises what fails the call."""
        sent = self._behind.bytes_sent
        try:
            await passing
        except MEANT:
            raise
        except BaseException as error:  # noqa: BLE001  a user's own code; even SystemExit is one call's affair
            self._contained.report(self._call, error)
            self.inner = self._behind
            return self._behind.bytes_sent > sent
        return True
