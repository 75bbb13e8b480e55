"""What a running mesh is told, over its control socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from launcher.configuration import find_data_dir
from launcher.errors import LaunchError
from launcher.meshfile import find_mesh

PATIENCE = aiohttp.ClientTimeout(total=600, sock_connect=5)  # restarting all of a service drains each of them


def restart_part(part: str, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the parts when it is done. Raises LaunchError when it could not be."""
    _order("POST", f"/parts/{part}/restart", data_dir, as_json=as_json)


def scale_service(service: str, replicas: int, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the parts when it is done. Raises LaunchError when it could not be."""
    _order("PUT", f"/services/{service}", data_dir, {"replicas": replicas}, as_json=as_json)


def show_parts(data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the parts."""
    _order("GET", "/parts", data_dir, as_json=as_json)


def _order(method: str, path: str, data_dir: Path | None, body: dict[str, int] | None = None, *, as_json: bool) -> None:
    mesh = find_mesh(find_data_dir(data_dir))
    if mesh.envoy is None:
        raise LaunchError("this mesh has no replicas to restart or scale; start one with `runestone mesh`")
    parts = asyncio.run(_ask(mesh.control.removeprefix("unix:"), method, path, body))
    if as_json:
        for part in parts:
            print(json.dumps(part))
    else:
        Console().print(_draw(parts))


async def _ask(socket: str, method: str, path: str, body: dict[str, int] | None) -> list[dict[str, Any]]:
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(socket), timeout=PATIENCE) as session,
            session.request(method, f"http://mesh{path}", json=body) as answer,
        ):
            said = await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise LaunchError(f"the mesh does not answer: {error or 'no answer in time'}") from error
    if "error" in said:
        raise LaunchError(said["error"])
    parts: list[dict[str, Any]] = said["parts"]
    return parts


def _draw(parts: list[dict[str, Any]]) -> Table:
    table = Table("part", "pid", "state", "ports", box=None, header_style="dim", pad_edge=False)
    for part in parts:
        ports = " ".join(f"{name}={port}" for name, port in part["ports"].items())
        table.add_row(part["name"], str(part["pid"] or ""), "ready" if part["ready"] else part["trouble"], ports)
    return table
