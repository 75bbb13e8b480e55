"""How the parts are: each is asked where its balancer would ask it."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Self

import aiohttp
import msgspec

from launcher.address_book import DialEach
from launcher.inspection import STARTING, Inspector, PartStatus
from launcher.mesh.fleet import Fleet
from launcher.mesh.parts import EDGE, LOOPBACK, MeshPart, list_clusters
from launcher.plan import Part
from launcher.topology import TOPOLOGY

PATIENCE = 2.0  # seconds; who does not answer by then is not ready
LIVE = "LIVE"
MEMBERSHIP = r"^cluster\..*\.membership_healthy$"
NODES = {node.name: node for node in TOPOLOGY}


class _EdgePart(msgspec.Struct, frozen=True):
    ready: bool
    pid: int = 0
    version: str = ""
    error: str = ""


class _EdgeReadiness(msgspec.Struct, frozen=True):
    parts: dict[str, _EdgePart]


class Readiness:
    """Asks parts and Envoy; `dial` says how services are called. A context manager: its connections are closed at its end."""

    def __init__(self, dial: DialEach) -> None:
        self._dial = dial
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._session.close()

    async def statuses(self, parts: Sequence[MeshPart], envoy_admin: int) -> list[PartStatus]:
        """All of them, Envoy last, within `PATIENCE`."""
        return [*await asyncio.gather(*map(self.status, parts)), await self.envoy_status(envoy_admin, count(parts))]

    async def status(self, part: MeshPart) -> PartStatus:
        """How `part` is."""
        return await (self._ask_edge(part) if part.service == EDGE else ask_service(part, self._dial))

    async def _ask_edge(self, part: MeshPart) -> PartStatus:
        error = STARTING
        with suppress(aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            url = f"http://{LOOPBACK}:{part.ports['admin']}/health/readiness"
            async with self._session.get(url) as answer:
                said = msgspec.json.decode(await answer.read(), type=_EdgeReadiness).parts[EDGE]
            return PartStatus(
                name=part.name,
                address=part.address,
                is_ready=said.ready,
                pid=said.pid,
                version=said.version,
                error=said.error,
            )
        return PartStatus(name=part.name, address=part.address, error=error)

    async def envoy_status(self, port: int, expected: Mapping[str, int]) -> PartStatus:
        """How Envoy is: ready once it has found so many replicas well in each of its clusters."""
        address = f"{LOOPBACK}:{port}"
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._session.get(f"http://{address}/ready") as answer:
                state = (await answer.text()).strip()
            if state == LIVE:
                async with self._session.get(f"http://{address}/stats", params={"filter": MEMBERSHIP}) as answer:
                    state = find_unwell(await answer.text(), expected)
            return PartStatus(name="envoy", address=address, is_ready=not state, error=state)
        return PartStatus(name="envoy", address=address, error=STARTING)


def count(parts: Sequence[MeshPart]) -> dict[str, int]:
    """How many replicas of each cluster Envoy is to find."""
    return {name: len(endpoints) for name, endpoints in list_clusters(parts).items()}


def find_unwell(stats: str, expected: Mapping[str, int]) -> str:
    """The clusters in Envoy's statistics of which fewer replicas are well than there are, in a sentence; empty where there are none. A list
    that Envoy has yet to read would look complete beside its own total."""
    rows = (row.partition(": ") for row in stats.splitlines())
    healthy = {name.removeprefix("cluster.").rpartition(".")[0]: int(number) for name, _, number in rows}
    unwell = [name for name, number in expected.items() if healthy.get(name, 0) < number]
    return f"has not found all of {', '.join(sorted(unwell))}" if unwell else ""


async def ask_service(part: MeshPart, dial: DialEach) -> PartStatus:
    """How a service is, over a connection of its own: its process may be another one than a moment ago."""
    asked = Part(name=part.name, node=NODES[part.service], worker=part.number, address=part.address, peers={})
    async with Inspector([asked], patience=PATIENCE, dial=dial) as inspector:
        (status,) = await inspector.statuses()
    return status


async def show_parts(fleet: Fleet, readiness: Readiness) -> list[dict[str, object]]:
    """Every part, how it is and where it listens."""
    parts = fleet.parts
    statuses = await asyncio.gather(*map(readiness.status, parts))
    return [_show(part, status, fleet.pid(part)) for part, status in zip(parts, statuses, strict=True)]


def _show(part: MeshPart, status: PartStatus, pid: int | None) -> dict[str, object]:
    return {
        "name": part.name,
        "service": part.service,
        "ready": status.is_ready,
        "pid": pid,
        "ports": dict(part.ports),
        "trouble": status.trouble,
    }
