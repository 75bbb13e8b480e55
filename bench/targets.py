"""What is measured: how a gateway is started, how it is asked, and how long it takes until it answers."""

import http.client
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.accounting import pss_by_process
from bench.processes import running
from bench.refusal import NotMeasured

KEY = "sk-bench-key-0123456789"
PATIENCE = 60.0  # seconds until the first answer
SETTLE = 1.0  # seconds between the first answer and reading the idle memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a gateway is asked: the path, the headers beside the usual ones, the members that ask for a cached answer."""

    path: str = "/v1/chat/completions"
    headers: Mapping[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {KEY}"})
    cached: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a gateway runs: its port, the upstream's, and a directory that is its own while it runs."""

    port: int
    upstream: int
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a gateway is started."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def show(self, place: Place) -> str:
        """For the reader: without the machine's paths and what is this run's alone."""
        settings = [f"{name}={value}" for name, value in self.environment.items()]
        words = [Path(word).name if word.startswith("/") else word for word in self.words]
        shown = " ".join([*settings, *words])
        return shown.replace(str(place.port), "PORT").replace(place.directory.name, "DIRECTORY")


class Contender(Protocol):
    """Something that answers chat completions. Ours must pass every case; a peer that fails one is named and goes on.

    `warm_up` is how many seconds of load it needs at least before a case is counted: a just-in-time compiler needs more
    than most.
    """

    name: str
    has_cache: bool
    is_peer: bool
    warm_up: float

    def manner(self, upstream: int) -> Manner:
        """How it is asked, with the upstream on that port."""
        ...

    def install(self) -> str:
        """Makes it ready to be started; returns its version. Raises NotMeasured when it cannot be had here."""
        ...

    def prepare(self, place: Place) -> Command:
        """Writes what it reads at start into `place.directory`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A gateway that runs. `pid` roots the tree that is measured; `ready` in seconds, `idle` in MiB by process."""

    port: int
    pid: int
    ready: float
    idle: Mapping[str, float]
    command: str


@contextmanager
def started(contender: Contender, upstream: int, core: int, question: bytes) -> Iterator[Target]:
    """Runs the contender alone on `core`, from its first good answer to `question` until the context is left.

    Raises NotMeasured with the end of its log when it ends, or does not answer in time.
    """
    directory = Path(
        tempfile.mkdtemp(prefix="rb-", dir="/tmp")
    )  # short: sockets stand in it, whose names have 108 bytes
    directory.chmod(0o755)  # nginx's worker gives root up
    place = Place(port=free_port(), upstream=upstream, directory=directory)
    command, log = contender.prepare(place), directory / "log"
    began = time.perf_counter()
    try:
        with running(command.words, core=core, log=log, environment=command.environment) as process:
            while not is_answering(place.port, question):
                if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                    raise NotMeasured(f"{contender.name} does not answer: {_describe(process.poll())}\n{_end_of(log)}")
                time.sleep(0.02)
            ready = time.perf_counter() - began
            time.sleep(SETTLE)
            idle = pss_by_process(process.pid)
            yield Target(port=place.port, pid=process.pid, ready=ready, idle=idle, command=command.show(place))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def is_answering(port: int, question: bytes) -> bool:
    """Whether the question gets a 200, within ten seconds."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(question)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
            return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def _describe(code: int | None) -> str:
    return f"nothing within {PATIENCE:g} s" if code is None else f"ended with {code}"


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
