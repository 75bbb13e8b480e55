"""What happens to containers, and how it is undone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from docker.errors import APIError

from containers.mesh import ContainerMesh
from containers.part import Part

PATIENCE = 20.0
Act = Callable[[Part, Any], object]  # on a part, which is on this network
# By name: how it begins and how it ends.
FAULTS: dict[str, tuple[Act, Act]] = {
    "hangs": (lambda part, _: pause(part), lambda part, _: part.engine.unpause()),
    "is killed": (lambda part, _: part.engine.kill(), lambda part, _: part.start()),
    "is cut off": (
        lambda part, network: network.disconnect(part.engine),
        lambda part, network: network.connect(part.engine, aliases=[part.name, part.service]),
    ),
}


def pause(part: Part) -> None:
    """The kernel freezes a process when it can; where it could not yet, the engine says so and it is asked again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            part.engine.pause()
        except APIError:
            if time.monotonic() > deadline:
                raise
        else:
            return


@asynccontextmanager
async def down(mesh: ContainerMesh, parts: Iterable[Part], fault: str) -> AsyncIterator[None]:
    """All of `parts` at once; afterwards the mesh is whole again. Meanwhile this process does what else it has to do."""
    begin, end = FAULTS[fault]
    network: Any = mesh.network._network
    broken: list[Part] = []
    try:
        for part in parts:
            await asyncio.to_thread(begin, part, network)
            broken.append(part)
        yield
    finally:
        for part in broken:
            await asyncio.to_thread(end, part, network)
        await asyncio.to_thread(mesh.wait_until_whole)
