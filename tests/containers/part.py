"""One container of a mesh, and what is done to it: through the library that started it, and the engine behind that."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import NotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

testcontainers_config.ryuk_disabled = True  # whose image is nowhere without a registry; the mesh removes what it made

LOOPBACK = "127.0.0.1"
MEBIBYTE = 1 << 20
PATIENCE = 90.0  # seconds for a container to become what it should be, on a machine that does much else
# No container can do more than it must: as in deploy/compose.yaml.
HARDENED = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "pids_limit": 256,
    "mem_limit": 768 * MEBIBYTE,
}


@dataclass(frozen=True)
class Part:
    """`name` is its own on the network, `service` one that it shares with its replicas; `ports` are those on loopback, by those inside.
    They stay the same when it is started again."""

    name: str
    service: str
    container: DockerContainer
    ports: Mapping[int, int]

    def address(self, port: int) -> str:
        """Where a port of it is found on this machine."""
        return f"{LOOPBACK}:{self.ports[port]}"

    @property
    def engine(self) -> Any:
        """The container as the engine's client knows it, as it is now."""
        wrapped = self.container.get_wrapped_container()
        wrapped.reload()
        return wrapped

    @property
    def state(self) -> dict[str, Any]:
        return self.engine.attrs["State"]

    def log(self) -> str:
        return self.engine.logs(tail=40).decode(errors="replace")

    def stop(self, seconds: int = 40) -> int:
        """SIGTERM, and SIGKILL after `seconds`; returns the exit code: 137 where that was needed."""
        self.engine.stop(timeout=seconds)
        return self.state["ExitCode"]

    def start(self) -> None:
        """Again, after it ended."""
        self.engine.start()

    def run(self, *words: str) -> tuple[int, str]:
        """Runs a program beside it; returns the exit code and what it wrote."""
        done = self.container.exec(list(words))
        return done.exit_code or 0, done.output.decode(errors="replace")

    def remove(self) -> None:
        """Gone with its volumes, whatever state it is in. One that is gone already is no error."""
        with suppress(NotFound):
            self.container.stop()
