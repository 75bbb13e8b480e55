"""The provider that asks together: see `Batching`."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from chassis.config.providers import Batching as BatchingSettings
from chassis.errors import Reason, RunestoneError
from provider_svc.batching.batch import Batch, Member, Part
from provider_svc.batching.item import LARGEST, Key, read_item
from provider_svc.batching.merging import merge
from provider_svc.batching.shared_failure import share
from provider_svc.batching.shares import share_usage
from provider_svc.batching.splitting import split
from provider_svc.provider import Begun, Chunk, Gathered, Provider, Sink, UpstreamCall
from runestone.common.v1.dialect_pb2 import Dialect

MOST_WAITING = 256  # batches that wait for more; a call that would begin another one is asked alone

NoteBatch = Callable[[int], None]  # so many calls were answered by one


class Batching:
    """`inner`, asked once for the calls that come within a window and differ in nothing but their one input.

    Each gets what it would have got alone. Everything else passes untouched. Made and closed inside a running loop.
    """

    def __init__(
        self, inner: Provider, settings: BatchingSettings, note_batch: NoteBatch = lambda _calls: None
    ) -> None:
        self._inner = inner
        self._window = settings.window
        self._max_items = settings.max_items
        self._note_batch = note_batch
        self._waiting: dict[Key, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._batches = self._calls = self._refused = 0

    @property
    def dialects(self) -> frozenset[Dialect.ValueType]:
        """Those of the inner one."""
        return self._inner.dialects

    async def call(self, call: UpstreamCall, sink: Sink) -> None:
        """See `Provider.call`. Cancelling leaves the batch; who leaves it last closes its upstream socket. Raises UNAVAILABLE when the
        provider is closed meanwhile."""
        part = await self._ask_together(call)
        if part is None:
            await self._inner.call(call, sink)
            return
        call.meter.usage = part.usage
        sink.accept(part.begun)
        sink.add(Chunk(part.document, (len(part.document),)))

    async def _ask_together(self, call: UpstreamCall) -> Part | None:
        """The call's part of a batch's answer; None where it is to be asked alone, for whatever reason."""
        item = read_item(call)
        if item is None:
            return None
        member = Member(call, item)
        if not self._seat(member):
            return None
        try:
            return await member.answer
        finally:
            self._leave(member)

    def _seat(self, member: Member) -> bool:
        """Whether the call has a place in a batch."""
        key = member.item.key
        batch = self._waiting.get(key)
        if batch is not None and batch.size + len(member.item.input) > LARGEST:
            self._launch(self._waiting.pop(key))
            batch = None
        if batch is None:
            if self._is_closed or len(self._waiting) >= MOST_WAITING:
                return False
            batch = self._open(key)
        batch.admit(member)
        if len(batch.members) >= self._max_items:
            self._launch(self._waiting.pop(key))
        return True

    def _open(self, key: Key) -> Batch:
        batch = self._waiting[key] = Batch()
        batch.timer = asyncio.get_running_loop().call_later(self._window, self._expire, key)
        return batch

    def _expire(self, key: Key) -> None:
        self._launch(self._waiting.pop(key))

    def _leave(self, member: Member) -> None:
        """The call waits no longer. A batch that nobody waits for is given up."""
        batch = member.batch
        if member not in batch.members:
            return
        batch.dismiss(member)
        if batch.members:
            return
        batch.stop_waiting()
        if batch.task is None:
            del self._waiting[member.item.key]
        else:
            batch.task.cancel()

    def _launch(self, batch: Batch) -> None:
        """Asks for all of them; who is alone asks for itself."""
        batch.stop_waiting()
        members = tuple(batch.members)
        if len(members) == 1:
            batch.answer([(members[0], None)])
            return
        batch.task = asyncio.get_running_loop().create_task(self._ask(batch, members), name=f"batch of {len(members)}")
        self._tasks.add(batch.task)
        batch.task.add_done_callback(partial(self._note_end, batch))

    async def _ask(self, batch: Batch, members: Sequence[Member]) -> None:
        """Makes the upstream call of `members`, and tells those who are still there what came of it."""
        try:
            parts = await self._bring(members)
        except RunestoneError as error:
            if error.reason is Reason.PROVIDER_REFUSED and not self._is_closed:
                self._halve(batch)
            else:
                batch.fail(partial(share, error, len(members)))
        except Exception as bug:  # noqa: BLE001  the outermost loop of the task: whoever made the calls logs it
            batch.fail(partial(_wrap, bug))
        else:
            self._batches += 1
            self._calls += len(members)
            self._note_batch(len(members))
            batch.answer(zip(members, parts, strict=True))

    async def _bring(self, members: Sequence[Member]) -> list[Part]:
        """Each one's part. Raises what the inner provider does, and PROVIDER_INVALID_ANSWER for an answer that cannot be split."""
        asked = merge(members[0].call, [member.item for member in members])
        answer = Gathered()
        await self._inner.call(asked, answer)
        weights = [member.item.tokens for member in members]
        begun = next(step for step in answer.steps if isinstance(step, Begun))
        document = b"".join(step.body for step in answer.steps if isinstance(step, Chunk))
        documents, usage = split(asked.dialect, document, weights), asked.meter.usage
        shares = [None] * len(members) if usage is None else share_usage(usage, weights)
        return [Part(begun, body, used) for body, used in zip(documents, shares, strict=True)]

    def _halve(self, batch: Batch) -> None:
        """Somebody's input was refused: asks for each half again, until whoever it was is alone."""
        self._refused += 1
        for half in batch.take_halves():
            if half.members:
                self._launch(half)

    def _note_end(self, batch: Batch, task: asyncio.Task[None]) -> None:
        """Runs after the task, and also when it was cancelled before its first step."""
        self._tasks.discard(task)
        batch.fail(_closed)

    async def close(self) -> None:
        """Ends what waits and what runs, then closes the inner one."""
        self._is_closed = True
        for batch in self._waiting.values():
            batch.stop_waiting()
            batch.fail(_closed)
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._inner.close()

    def statistics(self) -> dict[str, int]:
        """Calls that wait for more, batches that are being asked for; since the start, batches that were answered, the calls in them, and
        batches that were refused."""
        return {
            "waiting": sum(len(batch.members) for batch in self._waiting.values()),
            "running": len(self._tasks),
            "batches": self._batches,
            "calls": self._calls,
            "refused": self._refused,
        }

    def __repr__(self) -> str:
        numbers = ", ".join(f"{number} {name}" for name, number in self.statistics().items())
        return f"Batching({self._inner!r}, {numbers})"


def _closed() -> RunestoneError:
    return RunestoneError(Reason.UNAVAILABLE, "the provider was closed before the call was answered")


def _wrap(bug: Exception) -> Exception:
    """The same for each: an exception that several tasks raise would gather all their tracebacks."""
    failure = RuntimeError("a batch of calls crashed")
    failure.__cause__ = bug
    return failure
