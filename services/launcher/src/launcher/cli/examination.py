"""All of the doctor's checks, and how their findings are shown."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chassis.config import ConfigError, Settings
from launcher.configuration import find_config, find_data_dir, preview, read_text
from launcher.diagnosis import (
    Finding,
    Verdict,
    check_certificates,
    check_credentials,
    check_data_dir,
    check_keys,
    check_mesh_certificates,
    check_ports,
    check_tools,
)
from launcher.errors import LaunchError
from launcher.meshfile import MeshFile, find_mesh
from launcher.reachability import check_neighbours

COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


def examine(config: Path | None, data_dir: Path | None, *, as_json: bool) -> bool:
    """Prints all findings; says whether none of them is a failure."""
    findings = asyncio.run(_collect(config, find_data_dir(data_dir)))
    if as_json:
        for finding in findings:
            print(msgspec.json.encode(finding).decode())
    else:
        Console().print(draw_findings(findings))
    return all(finding.verdict is not Verdict.FAIL for finding in findings)


async def _collect(config: Path | None, data_dir: Path) -> list[Finding]:
    return [finding async for finding in _look(config, data_dir)]


async def _look(config: Path | None, data_dir: Path) -> AsyncIterator[Finding]:
    for finding in (*check_tools(), *check_data_dir(data_dir)):
        yield finding
    mesh = _read_mesh(data_dir)
    settings, finding = _read_settings(config, data_dir, mesh)
    yield finding
    if settings is not None:
        keys = check_keys(settings, datetime.now(UTC))
        doors = (*check_ports(settings, mesh), *check_certificates(settings))
        inside = check_mesh_certificates(settings, datetime.now(UTC))
        for finding in (*doors, *inside, *check_credentials(settings), *keys):
            yield finding
    async for finding in check_neighbours(settings or Settings(), mesh):
        yield finding


def _read_settings(config: Path | None, data_dir: Path, mesh: MeshFile | None) -> tuple[Settings | None, Finding]:
    """The settings of the option's file, else of the running mesh's, else of the one that `up` would find here."""
    try:
        path = find_config(config) if config or mesh is None else mesh.config_path
        if path and mesh and path == mesh.config_path and not path.is_file():
            return None, Finding(
                "configuration", Verdict.WARN, f"{path}: the mesh runs with it, but it is there no more"
            )
        settings = preview(read_text(path), data_dir)
    except ConfigError as error:
        count = len(error.problems)
        detail = f"{path}: {count} problem{'s' * (count > 1)}; `runestone config check` lists them"
        return None, Finding("configuration", Verdict.FAIL, detail)
    except LaunchError as error:
        return None, Finding("configuration", Verdict.FAIL, str(error))
    return settings, Finding("configuration", Verdict.OK, str(path or "defaults"))


def _read_mesh(data_dir: Path) -> MeshFile | None:
    try:
        return find_mesh(data_dir)
    except LaunchError:
        return None


def draw_findings(findings: list[Finding]) -> Table:
    """A table; details stand as they are, markup in them means nothing."""
    table = Table("", "what", "detail", box=None, header_style="bold", pad_edge=False)
    for finding in findings:
        table.add_row(Text(finding.verdict, style=COLOURS[finding.verdict]), finding.name, Text(finding.detail))
    return table
