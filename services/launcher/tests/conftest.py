"""A mesh of fake services, run by the real launcher as processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis.testing import short_directory

FAKES = Path(__file__).parent / "fakes"
FAKES_FOUND = {"PYTHONPATH": str(FAKES)}
PATIENCE = 30.0  # seconds


class FakeMesh:
    """One launcher process. Every wait ends after half a minute with an error."""

    def __init__(self, data_dir: Path, *options: str, **process: object) -> None:
        self.data_dir = data_dir
        self._first_text = ""
        self._output = (data_dir / "output").open("w+")
        environment = {**os.environ, **FAKES_FOUND, "XDG_RUNTIME_DIR": str(data_dir)}
        command = [sys.executable, str(FAKES / "fake_mesh.py"), str(data_dir), *options]
        streams = {"stdout": self._output, "stderr": self._output, **process}
        self.process = subprocess.Popen(command, env=environment, **streams)

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}\n{self.output}"
            time.sleep(0.02)

    def wait_ready(self) -> "FakeMesh":
        def is_announced() -> bool:
            assert self.process.poll() is None, self.output
            return (self.data_dir / "mesh.json").exists()

        self.wait_until(is_announced, "ready")
        return self

    def wait_end(self) -> int:
        return self.process.wait(PATIENCE)

    @property
    def output(self) -> str:
        return (self.data_dir / "output").read_text()

    @property
    def facts(self) -> dict:
        return json.loads((self.data_dir / "mesh.json").read_text())

    @property
    def announced_pid(self) -> int | None:
        """The launcher that mesh.json names; None without the file."""
        try:
            return self.facts["pid"]
        except FileNotFoundError:
            return None

    def fetch(self, port: str, path: str) -> tuple[int, str]:
        """An HTTP answer of the mesh's `http` or `admin` port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.facts[port]['port']}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def configure(self, section: str) -> None:
        """Replaces the configuration file, in one step, by what it was at start and `section`."""
        path = self.data_dir / "runestone.yaml"
        self._first_text = self._first_text or path.read_text()
        (self.data_dir / "draft").write_text(f"{self._first_text}\n{section}\n")
        (self.data_dir / "draft").replace(path)

    def ask_admin(
        self, path: str, key: str | None = None, method: str = "POST", body: bytes | None = None
    ) -> tuple[int, dict]:
        """An answer of the admin port; with its own key unless one is given."""
        key = (self.data_dir / "admin.key").read_text() if key is None else key
        url = f"http://127.0.0.1:{self.facts['admin']['port']}{path}"
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        request = urllib.request.Request(url, body, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def versions(self) -> set[str]:
        """All that are in force somewhere."""
        ready = self.readiness()
        return {ready["version"], self.facts["version"], *(part["version"] for part in ready["parts"].values())}

    def readiness(self) -> dict:
        return json.loads(self.fetch("admin", "/health/readiness")[1])

    def pids(self) -> dict[str, int]:
        return {name: part["pid"] for name, part in self.readiness()["parts"].items()}

    def close(self) -> None:
        """Stops it in order, so that its children are gone before their directory is."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.wait_end()
        finally:
            self.process.kill()
            self._output.close()


def is_running(pid: int) -> bool:
    """Whether the process exists and is not a zombie that waits for its parent."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def starting_meshes(data_dir: Path) -> Iterator[Callable[..., FakeMesh]]:
    """Starts fake meshes on a data directory; they are closed at the end."""
    started = []

    def start(*options: str, **process: object) -> FakeMesh:
        started.append(FakeMesh(data_dir, *options, **process))
        return started[-1]

    yield start
    for mesh in started:
        mesh.close()


@pytest.fixture
def start_mesh(data_dir: Path) -> Iterator[Callable[..., FakeMesh]]:
    """Starts a fake mesh on the test's data directory; the options are those of `fakes/fake_mesh.py`, and of Popen."""
    with starting_meshes(data_dir) as start:
        yield start


@pytest.fixture(scope="module")
def lasting_mesh() -> Iterator[Callable[..., FakeMesh]]:
    """Starts a fake mesh, in one process and with a configuration, that serves all tests of a file."""
    with short_directory() as directory, starting_meshes(directory) as start:

        def configure_and_start(config: str, *options: str) -> FakeMesh:
            (directory / "runestone.yaml").write_text(config)
            return start("--one-process", *options).wait_ready()

        yield configure_and_start


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A directory with a short path."""
    with short_directory() as path:
        yield path


@pytest.fixture
def fakes() -> dict[str, str]:
    """An environment in which the fake services can be run as modules."""
    return {**os.environ, **FAKES_FOUND}


@pytest.fixture
def running_pids() -> Callable[[dict[str, int]], set[str]]:
    """Which of some processes, by name, are still there."""
    return lambda pids: {name for name, pid in pids.items() if is_running(pid)}


@pytest.fixture
def frozen() -> Callable[[int], "contextmanager[None]"]:
    """A context in which a process hangs: it neither runs nor dies."""

    @contextmanager
    def freeze(pid: int) -> Iterator[None]:
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    return freeze
