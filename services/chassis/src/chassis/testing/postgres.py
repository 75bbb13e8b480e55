"""A real PostgreSQL on loopback. It refuses to run as root: there it runs as `nobody`."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.testing.ports import free_port, short_directory

USER, PASSWORD = "runestone", "canary-of-the-database-0123456789"
START = 60.0  # seconds for a database to be made, or to recover, on a busy machine
UNPRIVILEGED = 65_534  # nobody


@dataclass(slots=True)
class PostgresProcess:
    """A PostgreSQL in `directory`, to do harm to: one process and its children. Its methods wait in the thread that calls them."""

    port: int
    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        """Where a database is; `port` that of something in between."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Again after `kill`: what was committed is recovered. Returns when it accepts questions; raises TimeoutError after a minute."""
        options = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        flags = [f"--{name}={value}" for name, value in (options | dict(self.settings)).items()]
        command = [str(find_postgres() / "postgres"), "-D", str(self.directory / "data"), *flags]
        with (self.directory / "log").open("ab") as log:
            process = self.process = subprocess.Popen(command, stdout=log, stderr=log, **_identity())  # noqa: S603
        give_up_at = time.monotonic() + START
        while not self._is_ready():
            if time.monotonic() > give_up_at or process.poll() is not None:
                raise TimeoutError(f"PostgreSQL did not start: {(self.directory / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def make_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.tell(f"CREATE DATABASE {name}")
        return self.url(name)

    def tell(self, sql: str, database: str = "postgres") -> str:
        """What `psql` prints for a statement, a row a line. Raises AssertionError when it is refused."""
        command = [str(find_postgres() / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START)  # noqa: S603
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def kill(self) -> None:
        """At once, as `kill -9`, with all that it started: a power cut, but for what the kernel had not written yet."""
        if self.process is not None:
            _signal([self.process.pid, *self._children()], signal.SIGKILL)
            self.process.wait()
            self.process = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """It hangs, all of it: connections are accepted by the kernel, and nothing is answered."""
        assert self.process is not None
        members = [self.process.pid, *self._children()]
        _signal(members, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(members, signal.SIGCONT)

    def _is_ready(self) -> bool:
        command = [str(find_postgres() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False, timeout=START).returncode == 0  # noqa: S603

    def _children(self) -> list[int]:
        assert self.process is not None
        with suppress(FileNotFoundError):  # it is gone already
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            return [int(pid) for pid in path.read_text().split()]
        return []


@contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresProcess]:
    """A PostgreSQL of its own, made anew; `settings` as in postgresql.conf. Raises FileNotFoundError where none is installed."""
    with postgres_directory() as directory:
        server = PostgresProcess(free_port(), directory, settings)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@contextmanager
def postgres_directory() -> Iterator[Path]:
    """A folder with an empty cluster in `data`, which belongs to whom the server runs as."""
    with short_directory() as directory:
        secret = directory / "password"
        secret.write_text(PASSWORD)
        for path in (directory, secret):
            os.chown(path, *_owner())
        files = ["-D", str(directory / "data"), "--pwfile", str(secret), "--no-sync"]
        options = ["-U", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        _run([str(find_postgres() / "initdb"), *files, *options])
        yield directory


def find_postgres() -> Path:
    """The folder with `initdb` and `postgres`, of the latest version; raises FileNotFoundError with what to install."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    path = versions[-1] if versions else shutil.which("initdb")
    if path is None:
        raise FileNotFoundError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(path).parent


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START, **_identity())  # noqa: S603
    assert done.returncode == 0, done.stderr


def _owner() -> tuple[int, int]:
    return (UNPRIVILEGED, UNPRIVILEGED) if os.getuid() == 0 else (os.getuid(), os.getgid())


def _identity() -> dict[str, Any]:
    """How the server's processes are started; as another only where we are root, who alone may say so."""
    user, group = _owner()
    return {"cwd": "/"} | ({"user": user, "group": group, "extra_groups": []} if os.getuid() == 0 else {})


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
