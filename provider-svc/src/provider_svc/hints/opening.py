"""Hints, put together: who they are shared with, and from when on."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping

from chassis.client import Channel
from chassis.members import Members
from chassis.runtime import Runtime
from chassis.snapshots import Snapshot
from provider_svc.hints.book import Book
from provider_svc.hints.hints import Counts, Hints
from provider_svc.hints.listening import Listeners
from provider_svc.hints.telling import Teller
from runestone.hint.v1.hint_pb2_grpc import HintServiceStub

PEER = "cache"
TELL_TIMEOUT = 1.0  # seconds
WATCH_TIMEOUT = 60.0  # seconds: longer than a watch lasts


def open_hints(runtime: Runtime, book: Book) -> Hints:
    """Shares the openings in `book` through cache-svc from the moment that there is a provider which is not simulated; where the service
    knows no cache-svc, never. That it can be reached is no fact of the service's."""
    counts = Counts.of(runtime.metrics)
    hints = Hints(book, runtime.clock, counts, secrets.token_hex(8))
    if PEER in runtime.place.peers:
        is_needed = asyncio.Event()

        def look_at(snapshot: Snapshot) -> None:
            if any(provider.kind != "simulated" for provider in snapshot.settings.providers):
                is_needed.set()

        look_at(runtime.snapshots.current)
        runtime.snapshots.watch(look_at)
        runtime.spawn(_share(runtime, hints, counts, is_needed), "hints")
    return hints


async def _share(runtime: Runtime, hints: Hints, counts: Counts, is_needed: asyncio.Event) -> None:
    """Connects when needed. Whatever goes wrong in here is never worth the service."""
    await is_needed.wait()
    cache = HintServiceStub(runtime.connect(PEER, timeout=TELL_TIMEOUT))
    replicas = _put_stubs_on(runtime.connect_each(PEER, timeout=WATCH_TIMEOUT))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(Teller(hints, cache, runtime.clock, counts).run(), name="tell hints")
            group.create_task(Listeners(hints.hear, runtime.clock, runtime.log).run(replicas), name="hear hints")
    except Exception:
        runtime.log.exception("openings of breakers are not shared any more")


async def _put_stubs_on(members: Members) -> AsyncIterator[Mapping[str, HintServiceStub]]:
    """The replicas that there are, whenever they are others; one that stays keeps its stub."""
    stubs: dict[Channel, HintServiceStub] = {}
    async for channels in members.changes():
        stubs = {one: stubs.get(one) or HintServiceStub(one) for one in channels.values()}
        yield {address: stubs[channel] for address, channel in channels.items()}
