"""Whether containers can be run here: a Docker engine, our images of what is checked out, and the others that stand beside them."""

import gc
import os
import subprocess
import tomllib
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from launcher.topology import TOPOLOGY

ROOT = Path(__file__).parents[2]
VERSION = (
    os.environ.get("RUNESTONE_VERSION") or tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
)
OURS = {node.name: f"runestone/{node.module.replace('_', '-')}:{VERSION}" for node in TOPOLOGY}
REDIS, POSTGRES, ENVOY = "redis:7", "postgres:15", "envoyproxy/envoy:v1.40.0"
REVISION = "org.opencontainers.image.revision"
# What an image is made of (.dockerignore). Tests may have changed since.
SOURCES = (
    "*/Dockerfile",
    "*/src/*",
    "*/pyproject.toml",
    "pyproject.toml",
    "uv.lock",
    ".dockerignore",
    "deploy/docker/*.*",
)


def find_obstacle() -> str | None:
    """Why no container of ours can be run; None where nothing is in the way."""
    client, obstacle = connect()
    if client is None:
        return obstacle
    try:
        for image in OURS.values():
            found = client.images.get(image)
            built_at = datetime.fromisoformat(found.attrs["Created"][:19] + "+00:00").timestamp()
            if changed := list_changes(found.labels.get(REVISION, ""), built_at):
                return f"Docker's {image} is older than {changed[0]}: `make images`"
        for image in (REDIS, POSTGRES, ENVOY):
            pull_missing(client, image)
    except ImageNotFound:
        return f"Docker has no {image}: `make images`"
    except DockerException as error:
        return f"Docker has no {image}, and cannot pull it ({error}): `make base-images`"
    finally:
        client.close()
    return None


def connect() -> tuple[Any, str]:
    """A client of the engine; or None, and why there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves its session open when nobody answers
        try:
            return docker.from_env(timeout=30), ""
        except DockerException as error:
            why = f"no Docker engine answers: {error}"
        gc.collect()
    return None, why


def pull_missing(client: Any, image: str) -> None:
    try:
        client.images.get(image)
    except ImageNotFound:
        client.images.pull(image)


def list_changes(revision: str, built_at: float) -> list[str]:
    """The files that an image is made of which are others now than in commit `revision`, and than when it was built (in seconds since
    the epoch): one may build before one commits."""
    command = ["git", "diff", "--name-only", revision, "--", *SOURCES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        return [f"every file: it is of commit {revision or 'unknown'}"]
    return [name for name in done.stdout.splitlines() if last_change(ROOT / name) > built_at]


def last_change(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else float("inf")
