"""A store behind the mesh. Pure."""

from dataclasses import dataclass

from launcher.child import Command
from launcher.mesh.parts import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A store to run: the address that services are given, with references in it, the port that says that it is up, and how it is started."""

    url: str
    port: int
    command: Command

    def is_named_in(self, url: str) -> bool:
        """Whether `url`, without references, is of this store."""
        return f"{LOOPBACK}:{self.port}/" in url
