"""Asks the running mesh to reload, over its operators' port."""

import asyncio
import os
from pathlib import Path

import aiohttp
import msgspec

from chassis.config import ConfigError
from launcher.configuration import find_data_dir, preview, read_text
from launcher.errors import LaunchError
from launcher.keyfiles import ADMIN_KEY, read_key
from launcher.meshfile import MeshFile, find_mesh

KEY_VARIABLE = "RUNESTONE_ADMIN_KEY"
LIMITS = aiohttp.ClientTimeout(total=90, sock_connect=5)  # a reload that has to wait says so within 60 s


class _Problem(msgspec.Struct, frozen=True):
    message: str
    file: str | None = None
    line: int | None = None
    path: str = ""


class _Failure(msgspec.Struct, frozen=True):
    message: str
    problems: list[_Problem] = []
    parts: dict[str, str] = {}


class _Answer(msgspec.Struct, frozen=True):
    version: str = ""
    changed: bool = False
    parts: dict[str, str] = {}
    error: _Failure | None = None


def reload_mesh(data_dir: Path | None, *, as_json: bool) -> None:
    """Prints what is in force now. Raises LaunchError, a line for each problem, when the reload failed."""
    where = find_data_dir(data_dir)
    mesh = find_mesh(where)
    body = asyncio.run(_ask(mesh.admin.url, find_admin_key(where, mesh)))
    answer = _read(body)
    if as_json:
        print(body.decode())
    if answer.error is not None:
        raise LaunchError("\n".join(describe(answer.error)))
    if not as_json:
        print(f"{answer.version}: {'in force in' if answer.changed else 'unchanged in'} {', '.join(answer.parts)}")


def find_admin_key(data_dir: Path, mesh: MeshFile) -> str:
    """The admin key: the environment's, the configuration's, that of the data directory. Raises LaunchError without one."""
    if key := os.environ.get(KEY_VARIABLE):
        return key
    try:
        key_of_file = preview(read_text(mesh.config_path), data_dir).edge.admin.key
    except (ConfigError, LaunchError):  # the file is what may be wrong; the mesh says so itself
        key_of_file = None
    return key_of_file.reveal() if key_of_file else read_key(data_dir / ADMIN_KEY)


def describe(failure: _Failure) -> list[str]:
    """Everything that is wrong, a line each."""
    lines = [failure.message]
    for problem in failure.problems:
        file = f"{problem.file}: " if problem.file else ""
        where = f"{file}line {problem.line}: " if problem.line else file
        lines.append(f"{where}{problem.path}: {problem.message}" if problem.path else f"{where}{problem.message}")
    return [*lines, *(f"{part}: {why}" for part, why in failure.parts.items())]


async def _ask(url: str, key: str) -> bytes:
    headers = {"Authorization": f"Bearer {key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=LIMITS) as session,
            session.post(f"{url}/admin/v1/reload", headers=headers) as response,
        ):
            return await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LaunchError(f"{url} does not answer: {error or type(error).__name__}") from error


def _read(body: bytes) -> _Answer:
    try:
        return msgspec.json.decode(body, type=_Answer)
    except msgspec.DecodeError as error:
        raise LaunchError(f"the admin port's answer cannot be read: {error}") from error
