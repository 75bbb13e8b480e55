"""How many replicas there are of each service that counts or keeps, and whether so many can be right.

The configuration is checked before anything starts; a name in it may stand for more than anybody wrote there.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import aclosing
from typing import Any

from chassis.config import Settings
from chassis.config.replicas import find_unshared
from chassis.health import Facts
from chassis.logs import Logger
from chassis.metrics import Metrics
from chassis.runtime import Runtime

SERVICES = ("cache", "ratelimit", "audit")
PATIENCE = 2.0  # seconds that an edge which starts waits for a name to be resolved


class PeerReplicas:
    """Follows each service from `follow` on.

    An edge that starts and finds too many is not ready, so that a rollout ends there. One that serves calls only says so, in its
    log and its metrics: while a single replica is replaced there may be two for a moment, and a gateway that stops altogether
    is worse than limits that are counted twice.
    """

    def __init__(self, facts: Facts, log: Logger, metrics: Metrics, settings: Callable[[], Settings]) -> None:
        self._facts = facts
        self._log = log
        self._settings = settings
        self._gauge = metrics.gauge("edge_peer_replicas", "Replicas found of a service", ("peer",))
        self._counts: dict[str, int] = {}
        self._refused: set[str] = set()

    def count(self, service: str) -> int:
        """How many there are; 0 before that is known."""
        return self._counts.get(service, 0)

    def follow(
        self,
        service: str,
        changes: AsyncGenerator[Collection[str]],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        """`changes` gives the addresses of the replicas, and each later collection of them."""
        self._facts.declare(_fact(service), detail="not counted yet")
        spawn(self._follow(service, changes), f"{service} replicas")
        spawn(self._lose_patience(service), f"{service} patience")

    async def _follow(self, service: str, changes: AsyncGenerator[Collection[str]]) -> None:
        async with aclosing(changes):
            async for replicas in changes:
                self._note(service, count_replicas(replicas))

    async def _lose_patience(self, service: str) -> None:
        """An edge starts without its peers, too."""
        await asyncio.sleep(PATIENCE)
        if service not in self._counts:
            self._counts[service] = 0
            self._facts.say(_fact(service), holds=True)

    def _note(self, service: str, count: int) -> None:
        is_first = service not in self._counts
        self._counts[service] = count
        self._gauge.labels(service).set(count)
        reasons = find_unshared(self._settings(), service, count)
        if not reasons:
            self._refused.discard(service)
            self._facts.say(_fact(service), holds=True)
        elif is_first or service in self._refused:
            self._refused.add(service)
            self._facts.say(_fact(service), holds=False, detail=f"there are {count}: {reasons[0]}")
        if reasons:
            self._log.error("replicas share nothing", service=service, replicas=count, reason=reasons[0])

    def __repr__(self) -> str:
        return f"PeerReplicas({self._counts})"


def follow_peer_replicas(runtime: Runtime) -> PeerReplicas:
    """For as long as the edge runs."""
    replicas = PeerReplicas(runtime.facts, runtime.log, runtime.metrics, lambda: runtime.snapshots.current.settings)
    for service in SERVICES:
        replicas.follow(service, runtime.connect_each(service).changes(), runtime.spawn)
    return replicas


def count_replicas(addresses: Collection[str]) -> int:
    """How many there are for certain: a name may have an IPv4 and an IPv6 address of each."""
    sixes = sum(address.startswith("[") for address in addresses)
    return max(sixes, len(addresses) - sixes)


def _fact(service: str) -> str:
    return f"{service} replicas"
