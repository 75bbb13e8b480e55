"""A mesh's numbers, summed over what a question does not ask for."""

import re

import aiohttp
from real_mesh import Mesh

_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Numbers:
    """What a mesh counted, as it was at one moment."""

    def __init__(self, text: str) -> None:
        self._rows: list[tuple[str, dict[str, str], float]] = []
        for row in text.splitlines():
            if not row.startswith("#"):
                series, _, value = row.removeprefix("runestone_").rpartition(" ")
                name, _, labels = series.partition("{")
                self._rows.append((name, dict(_LABEL.findall(labels)), float(value)))

    def sum(self, name: str, **labels: str) -> float:
        """Of all series with these labels."""
        return sum(value for one, said, value in self._rows if one == name and labels.items() <= said.items())


async def measure(mesh: Mesh) -> Numbers:
    """The numbers of now."""
    async with aiohttp.ClientSession() as session, session.get(f"{mesh.admin_url}/metrics") as answer:
        return Numbers(await answer.text())
