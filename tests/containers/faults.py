"""What happens to containers, and how it is undone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from containers.mesh import ContainerMesh
from containers.part import Part

Act = Callable[[Part, Any], object]  # on a part, which is on this network
# By name: how it begins and how it ends.
FAULTS: dict[str, tuple[Act, Act]] = {
    "hangs": (lambda part, _: part.engine.pause(), lambda part, _: part.engine.unpause()),
    "is killed": (lambda part, _: part.engine.kill(), lambda part, _: part.start()),
    "is cut off": (
        lambda part, network: network.disconnect(part.engine),
        lambda part, network: network.connect(part.engine, aliases=[part.name, part.service]),
    ),
}


@contextmanager
def down(mesh: ContainerMesh, parts: Iterable[Part], fault: str) -> Iterator[None]:
    """All of `parts` at once; afterwards the mesh is whole again."""
    begin, end = FAULTS[fault]
    network: Any = mesh.network._network
    broken = list(parts)
    for part in broken:
        begin(part, network)
    try:
        yield
    finally:
        for part in broken:
            end(part, network)
        mesh.wait_until_whole()
