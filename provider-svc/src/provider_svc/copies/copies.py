"""The copies that are being made, in the background."""

import asyncio
from contextvars import Context
from typing import Protocol

from chassis.clock import Clock
from chassis.logs import Logger
from chassis.metric_families import Counter
from provider_svc.copies.copier import FAILED, LEFT, Appender, Copier
from provider_svc.subscription import Subscription
from runestone.provider.v1.provider_pb2 import AttachResponse

PATIENCE = 2.0  # seconds at stop, for what was said last


class Copies(Protocol):
    """Whoever has resumable calls copied."""

    def begin(self, subscription: Subscription[AttachResponse]) -> None:
        """Copies what `subscription` reads, and leaves it at the end."""


class NoCopies:
    """Where there is nobody to keep them."""

    def begin(self, subscription: Subscription[AttachResponse]) -> None:
        """Leaves it."""
        subscription.leave()


class StoredCopies:
    """Owns a task for every call that is copied. Whatever goes wrong in here is never worth a call."""

    def __init__(self, store: Appender, clock: Clock, log: Logger, outcomes: Counter) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._outcomes = outcomes
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, subscription: Subscription[AttachResponse]) -> None:
        """Copies in a context of its own: neither the deadline of the call's rpc nor its trace is the copy's."""
        copying = self._copy(Copier(subscription, self._store, self._clock), subscription.call.call_id)
        task = asyncio.get_running_loop().create_task(copying, name="copy a stream", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self, grace: float) -> None:  # noqa: ARG002  the calls had it; their ends are all that is missing
        """To be called when no call runs any more: the rest of each is copied, or given up after `PATIENCE`."""
        tasks = list(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _copy(self, copier: Copier, call_id: str) -> None:
        outcome = LEFT
        try:
            outcome = await copier.run()
        except Exception:  # noqa: BLE001  the outermost loop of the task
            self._log.exception("copying a stream crashed", call_id=call_id)
            outcome = FAILED
        finally:
            self._outcomes.labels(outcome).inc()

    def __repr__(self) -> str:
        return f"StoredCopies({len(self._tasks)} running)"
