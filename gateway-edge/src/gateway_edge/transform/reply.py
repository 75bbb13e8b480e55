"""The reply that a transform puts in front of the client's."""

import asyncio
from collections.abc import Callable

from chassis.errors import Reason, RunestoneError
from gateway_edge.reply import PassingReply, Reply
from gateway_edge.transform.answers import AnswerPlan, StreamChange
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.taking_turns import take_turns

JSON = "application/json"
TEXT = "text/"


class TransformedReply(PassingReply):
    """Changes what passes. What the steps behind it say in `headers` reaches the client's reply when that begins, changed; also a
    ping may begin it, so what is to be hidden is never there. `has_choices`: whether the events of a stream do, as Chat Completions'
    have them."""

    def __init__(
        self, inner: Reply, plan: AnswerPlan, read_facts: Callable[[], Facts], *, has_choices: bool = True
    ) -> None:
        super().__init__(inner)
        if plan.headers:
            self.headers = dict(inner.headers)
        self._plan = plan
        self._read_facts = read_facts
        self._has_choices = has_choices
        self._stream: StreamChange | None = None
        self._is_stream = False
        self._is_passed = False  # what follows is no events

    async def send(self, body: bytes, content_type: str = JSON, status: int = 200) -> None:
        """Passes a whole answer on, changed where it is JSON. Raises PROVIDER_INVALID_ANSWER as `AnswerPlan` does."""
        self.publish_headers()
        self._check_kind(content_type)
        if self._plan.reads_documents and content_type.startswith(JSON):
            body = await take_turns(self._plan.change_document(body, self._read_facts()))
        await self.inner.send(body, content_type, status)

    async def begin(self, content_type: str) -> None:
        """Passes on what kind of body follows; such a body is not changed. Raises PROVIDER_INVALID_ANSWER where text has to be
        redacted."""
        self.publish_headers()
        self._check_kind(content_type)
        self._is_passed = True
        await self.inner.begin(content_type)

    async def write(self, events: bytes) -> None:
        """Passes whole events on, changed one by one; the loop has its turn in between where there are many."""
        if not self._is_passed:
            self._begin()
        if self._stream is None:
            await self.inner.write(events)
            return
        for part in self._stream.change(events):
            if part:
                await self.inner.write(part)
            else:
                await asyncio.sleep(0)

    def expect_events(self) -> None:
        """Passes the expectation on, with the headers that there are: from now on a ping may begin the answer."""
        self.publish_headers()
        self.inner.expect_events()

    async def close(self) -> None:
        """Passes the end of a stream on, after what was held back."""
        if not self._is_passed:
            self._begin()
        if self._stream is not None and (rest := self._stream.finish()):
            await self.inner.write(rest)
        await self.inner.close()

    def publish_headers(self) -> None:
        """Says in the client's reply what was said in this one, changed."""
        if not self._plan.headers or self.inner.has_begun:
            return
        changed = self._plan.headers.apply(self.headers, self._read_facts())
        for name in self.headers.keys() - changed.keys():
            self.inner.headers.pop(name, None)
        self.inner.headers.update(changed)

    def _check_kind(self, content_type: str) -> None:
        if self._plan.redaction is not None and content_type.startswith(TEXT):
            message = "the answer is plain text, which this pipeline cannot redact; ask for JSON"
            raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message)

    def _begin(self) -> None:
        if self._is_stream:
            return
        self._is_stream = True
        self.publish_headers()
        if self._plan.reads_documents:
            self._stream = StreamChange(self._plan, self._read_facts(), has_choices=self._has_choices)
