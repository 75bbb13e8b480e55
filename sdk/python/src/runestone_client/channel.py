"""One topic of a connection: joined, joined anew whenever the connection comes back, and left."""

import asyncio
import contextlib
import random
from collections import deque
from typing import Any, Literal, Protocol

from runestone_client.errors import (
    ClosedError,
    ConnectionLostError,
    GatewayError,
    ReplyTimeoutError,
    RunestoneError,
    read_refusal,
)
from runestone_client.frames import Frame, write_frame, write_payload
from runestone_client.pushes import Heard, Push, Quota
from runestone_client.settings import Settings

MOST_ABANDONED = 64  # messages whose reply nobody waits for any more
PASSING = frozenset({429, 503})  # refusals of a join that may be no refusal in a moment
# A gateway that stops closes with 1012 when nothing runs that was asked for by these: what it did not answer, it did not begin.
RESTARTING, ASKING = 1012, frozenset({"chat:stream", "chat:message"})


class Sender(Protocol):
    """The line: what a channel needs of it."""

    @property
    def state(self) -> str:
        """`connected`, or not."""

    def make_ref(self) -> str:
        """A reference that was never used."""

    def send(self, text: str, push: Push | None = None) -> None:
        """Sends a frame."""


class Handler(Protocol):
    """What is done in the topic."""

    def describe_join(self) -> dict[str, Any]:
        """The payload of a join that is made now."""

    def joined(self, response: Any) -> None:
        """The topic is joined, again or for the first time."""

    def heard(self, event: str, payload: Any, size: int) -> None:
        """A message came, which took `size` bytes."""

    def ended(self, error: RunestoneError) -> None:
        """Nothing comes any more."""


class Channel:
    """Joins `topic`. Messages wait while it is not joined, as many as `quota` takes. A join that is refused for good ends it."""

    def __init__(self, topic: str, line: Sender, handler: Handler, *, quota: Quota, settings: Settings) -> None:
        self.topic = topic
        self.state: Literal["joining", "joined", "over"] = "joining"
        self._line, self._handler, self._quota, self._settings = line, handler, quota, settings
        self._join_ref = ""
        self._attempt = 0
        self._retry: asyncio.TimerHandle | None = None
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue: deque[Push] = deque()
        self._unanswered: dict[str, Push] = {}
        self._error: RunestoneError | None = None
        self._refusal: GatewayError | None = None

    @property
    def is_done(self) -> bool:
        """Whether it is over, and nothing more is to come."""
        return self.state == "over" and not self._unanswered

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits for the reply to what was sent."""
        return any(not push.reply.done() for push in self._unanswered.values())

    async def wait_until_joined(self) -> None:
        """For the first time. Raises why it cannot be, ReplyTimeoutError when it takes too long."""
        try:
            async with asyncio.timeout(self._settings.reply_timeout):
                await asyncio.shield(self._first)
        except TimeoutError:
            if self._refusal is not None:
                raise self._refusal from None
            raise ReplyTimeoutError(f"{self.topic} was not joined in {self._settings.reply_timeout} s") from None

    async def push(
        self,
        event: str,
        payload: object,
        *,
        timeout: float | None = None,
        is_repeatable: bool = False,
        heard: Heard | None = None,
    ) -> Any:
        """The response, when it is ok. Raises GatewayError when it is not, ReplyTimeoutError, QueueFullError, ConnectionLostError when it
        cannot be known whether it was done. Who cancels it does not wait for the reply; `heard` is told a response that comes all the same."""
        push = Push(event, write_payload(payload), is_repeatable=is_repeatable, heard=heard)
        timeout = self._settings.reply_timeout if timeout is None else timeout
        self._check()
        self._quota.take(push.size)
        self._queue.append(push)
        self._flush()
        try:
            async with asyncio.timeout(timeout):
                return await push.reply
        except TimeoutError:
            raise ReplyTimeoutError(f"no reply to {event} in {timeout} s", may_have_run=push.is_sent) from None
        finally:
            self._quota.give_back(push.size)
            self._settle(push)

    def cast(self, event: str, payload: object) -> None:
        """Sends a message whose reply does not matter, if there is a connection; it may be done twice."""
        if self.state == "joined":
            ref = self._line.make_ref()
            self._line.send(write_frame(self._join_ref, ref, self.topic, event, write_payload(payload)))

    async def leave(self) -> None:
        """Leaves, and waits a moment for the answer. Does nothing where it is over."""
        if self.state == "over":
            return
        was_joined, self.state = self.state == "joined" and self._line.state == "connected", "over"
        self._end(ClosedError(f"{self.topic} was left"))
        if was_joined:
            push = Push("phx_leave", "{}")
            self._transmit(push)
            with contextlib.suppress(TimeoutError, RunestoneError):
                async with asyncio.timeout(self._settings.close_timeout):
                    await push.reply
            self._unanswered.clear()

    def rejoin(self, retry_after: float | None = None) -> None:
        """Joins anew in a while, which resumes what runs."""
        if self.state != "over" and self._retry is None:
            pause = self._settings.rejoin_backoff.pause(self._attempt, random.uniform, retry_after)
            self._attempt += 1
            self._retry = asyncio.get_running_loop().call_later(pause, self._join)

    # What the client tells.

    def connected(self) -> None:
        """There is a connection, which knows nothing of this channel."""
        if self.state != "over":
            self._join()

    def lost(self, error: ConnectionLostError) -> None:
        """What was sent and not answered may have been done, or not; what was not sent waits."""
        if self.state == "over":
            return
        self.state = "joining"
        self._stop_retry()
        self._take_back(error)

    def _take_back(self, error: ConnectionLostError) -> None:
        unanswered, self._unanswered = self._unanswered, {}
        for push in reversed(unanswered.values()):
            if push.reply.done():
                continue
            was_not_begun = error.code == RESTARTING and push.event in ASKING
            if push.is_sent and not push.is_repeatable and not was_not_begun:
                text = f"{error}; {push.event} had been sent, and was not answered"
                push.fail(ConnectionLostError(text, code=error.code, may_have_run=True))
            else:
                push.is_sent = False
                self._queue.appendleft(push)

    def ended(self, error: RunestoneError) -> None:
        """There will be no connection any more."""
        if self.state != "over":
            self.state = "over"
            self._end(error)

    def receive(self, frame: Frame) -> None:
        """A message on this topic."""
        if frame.event == "phx_reply":
            self._receive_reply(frame)
        elif frame.event in {"phx_close", "phx_error"}:
            if self.state != "over" and frame.join_ref == self._join_ref:
                self._receive_end(frame)
        elif self.state != "over":
            self._handler.heard(frame.event, frame.payload, frame.size)

    def _receive_reply(self, frame: Frame) -> None:
        said = frame.payload if isinstance(frame.payload, dict) else {}
        is_ok, response = said.get("status") == "ok", said.get("response")
        if frame.ref == self._join_ref:
            if self.state == "joining":
                self._receive_joined(is_ok, response)
            return
        push = self._unanswered.pop(frame.ref or "", None)
        if push is None:
            return
        if is_ok:
            push.succeed(response)
        else:
            push.fail(read_refusal(response))

    def _receive_joined(self, is_ok: bool, response: Any) -> None:
        self._stop_retry()
        if is_ok:
            self.state, self._attempt = "joined", 0
            self._handler.joined(response)
            if not self._first.done():
                self._first.set_result(None)
            self._flush()
            return
        error = read_refusal(response)
        if error.status in PASSING:
            self._refusal = error
            self.rejoin(error.retry_after)
        else:
            self.ended(error)

    def _receive_end(self, frame: Frame) -> None:
        """A channel that crashed is joined anew; one that is closed is over."""
        if frame.event == "phx_error":
            self.lost(ConnectionLostError(f"{self.topic} failed in the gateway"))
            self.rejoin()
        else:
            self.ended(ClosedError(f"the gateway closed {self.topic}"))

    def _join(self) -> None:
        self._stop_retry()
        if self._line.state != "connected":
            return
        self.state = "joining"
        self._take_back(ConnectionLostError(f"{self.topic} was joined anew"))
        self._join_ref = self._line.make_ref()
        payload = write_payload(self._handler.describe_join())
        self._line.send(write_frame(self._join_ref, self._join_ref, self.topic, "phx_join", payload))
        self._retry = asyncio.get_running_loop().call_later(self._settings.reply_timeout, self._join)

    def _flush(self) -> None:
        while self._queue and self.state == "joined" and self._line.state == "connected":
            self._transmit(self._queue.popleft())

    def _transmit(self, push: Push) -> None:
        push.ref = self._line.make_ref()
        self._unanswered[push.ref] = push
        self._line.send(write_frame(self._join_ref, push.ref, self.topic, push.event, push.payload), push)

    def _settle(self, push: Push) -> None:
        """Nobody waits for it any more; its reply may matter all the same."""
        if push in self._queue:
            self._queue.remove(push)
        if push.heard is None or not push.is_sent or len(self._unanswered) > MOST_ABANDONED:
            self._unanswered.pop(push.ref, None)

    def _check(self) -> None:
        if self._error is not None:
            raise ClosedError(f"{self.topic} is over: {self._error}") from self._error

    def _stop_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _end(self, error: RunestoneError) -> None:
        self._error = error
        self._stop_retry()
        pushes = [*self._unanswered.values(), *self._queue]
        self._queue.clear()
        self._unanswered.clear()
        for push in pushes:
            push.fail(error)
        if not self._first.done():
            self._first.set_exception(error)
            self._first.exception()
        self._handler.ended(error)

    def __repr__(self) -> str:
        return f"Channel({self.topic!r}, {self.state}, {len(self._queue)} waiting, {len(self._unanswered)} unanswered)"
