"""What happens when a middleware of a user's own raises: its call fails or goes on without it; nobody else notices."""

import asyncio
from typing import Any, Literal

from chassis.errors import Reason, RunestoneError
from chassis.logs import Logger
from chassis.metric_families import Counter
from gateway_edge.call import Call
from gateway_edge.containment.reply import ContainedReply, Report, WayBack, is_meant, raise_if_cancelled
from gateway_edge.middleware.base import Middleware, Proceed
from gateway_edge.reply import Reply

OnError = Literal["fail", "skip"]


class Contained:
    """A middleware of a user's own. What it raises that is not a RunestoneError is logged with its traceback, counted, and
    then either fails the call (`fail`: 500) or is passed over (`skip`): the call goes on as if the middleware were not
    there. That holds for the reply that it may have put in front of the client's, too. One that neither proceeds nor
    answers counts as one that raised. What comes from behind it passes through untouched, and nobody keeps to himself
    that the call is over."""

    def __init__(self, name: str, middleware: Middleware, on_error: OnError, errors: Counter, log: Logger) -> None:
        self.name = name
        self._middleware = middleware
        self._on_error = on_error
        self._errors = errors
        self._log = log

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Runs the middleware around the rest of the way."""
        rest = _Rest(proceed, call.reply, self._report)
        raised = await self._run(call, rest)
        if raised is not None:
            self._note(call, raised)
            rest.raise_if_over()
            if self._on_error == "fail" or not rest.can_go_on:
                raise self._failure() from raised
            await rest.go_on(call)

    async def _run(self, call: Call, rest: "_Rest") -> BaseException | None:
        """What it raised that is not meant; None when it did its part."""
        call.reply = rest.way_back
        try:
            await self._middleware(call, rest)
        except BaseException as error:
            if is_meant(error) or rest.has_raised(error):
                raise
            return error
        finally:
            call.reply = rest.way_back.inner
            await rest.stop()
        rest.raise_if_over()
        return None if rest.is_entered or rest.way_back.uses else RuntimeError("it neither proceeded nor answered")

    def _report(self, call: Call, error: BaseException) -> None:
        self._note(call, error)
        if self._on_error == "fail":
            raise self._failure() from error

    def _note(self, call: Call, error: BaseException) -> None:
        self._errors.labels(self.name, self._on_error).inc()
        self._log.warning("middleware raised", middleware=self.name, request_id=call.id, exc_info=error)

    def _failure(self) -> RunestoneError:
        return RunestoneError(Reason.INTERNAL, f"the middleware {self.name} failed; quote the request id")

    def __repr__(self) -> str:
        return f"Contained({self.name}, on_error={self._on_error})"


class _Rest:
    """The rest of the way as a contained middleware sees it: what happened there is not the middleware's."""

    def __init__(self, proceed: Proceed, reply: Reply, report: Report) -> None:
        self.way_back = WayBack(reply)
        self.is_entered = False
        self.error: BaseException | None = None
        self._runner: asyncio.Task[Any] | None = None  # while it runs
        self._proceed = proceed
        self._report = report

    async def __call__(self, call: Call) -> None:
        if self.is_entered:
            raise RuntimeError("`proceed` may be called once only")
        raise_if_cancelled()
        self.is_entered = True
        if call.reply is self.way_back:
            call.reply = self.way_back.inner
        else:
            call.reply = ContainedReply(call, call.reply, self.way_back, self._report)
        self._runner = asyncio.current_task()
        try:
            await self._proceed(call)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._runner = None

    async def stop(self) -> None:
        """Ends the rest where a task runs it that the middleware has left alone (`asyncio.gather` does)."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])

    def has_raised(self, error: BaseException) -> bool:
        """Whether `error` comes from behind the middleware, or from the reply that it was given."""
        return error is self.error or error is self.way_back.error

    def raise_if_over(self) -> None:
        """Raises what ended the call, whatever the middleware made of it."""
        raise_if_cancelled()
        for error in (self.error, self.way_back.error):
            if isinstance(error, ConnectionError):
                raise error

    @property
    def can_go_on(self) -> bool:
        """Whether the call can do without the middleware: not when that has begun to answer, or has ended the rest."""
        return not isinstance(self.error, asyncio.CancelledError) if self.is_entered else not self.way_back.uses

    async def go_on(self, call: Call) -> None:
        """Goes what is left of the way."""
        if self.error is not None:
            raise self.error
        if not self.is_entered:
            await self._proceed(call)
