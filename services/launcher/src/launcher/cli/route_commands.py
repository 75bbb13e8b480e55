"""What `runestone routes explain` does."""

import asyncio
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from chassis.config import Settings
from chassis.errors import RunestoneError
from chassis.snapshots import snapshot_version
from launcher.address_book import dial_with
from launcher.cli.loading import load_configuration
from launcher.cli.route_table import draw_explanation
from launcher.configuration import find_config, find_data_dir, open_source
from launcher.errors import LaunchError
from launcher.inquiry import Inquiry
from launcher.meshfile import MeshFile, find_mesh
from launcher.route_explanation import RouteExplanation, explain, resolve
from launcher.target_desk import TargetDesk


def explain_route(inquiry: Inquiry, config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Prints the whole way. Raises LaunchError where no mesh runs, no replica of provider-svc can be asked, or nothing answers for the
    model."""
    where = find_data_dir(data_dir)
    mesh = find_mesh(where)
    explanation = _explain(inquiry, read_what_runs(mesh, config, where), mesh)
    if as_json:
        print(msgspec.json.encode(explanation).decode())
    else:
        Console().print(draw_explanation(explanation))


def read_what_runs(mesh: MeshFile, config: Path | None, data_dir: Path) -> Settings:
    """The settings of the file that the mesh was started with, or of another that is named; where those are not what the mesh runs,
    that is said. Raises LaunchError as reading a configuration does."""
    path = find_config(config) if config else mesh.config_path
    settings = load_configuration(path, open_source(path, data_dir, makes_admin_key=False)).settings
    if snapshot_version(settings) != mesh.version:
        source = path or "the environment"
        typer.echo(f"{source}: not what the mesh runs now; rules and experiments are taken from it", err=True)
    return settings


def _explain(inquiry: Inquiry, settings: Settings, mesh: MeshFile) -> RouteExplanation:
    resolution, failures = resolve(settings, inquiry)
    desk = TargetDesk(mesh.services, dial_with(mesh.tls))
    try:
        replica, answer = asyncio.run(desk.explain(inquiry.as_request(resolution.model)))
    except RunestoneError as error:
        raise LaunchError(f"provider: {error.message} ({error.reason})") from error
    return explain(inquiry, resolution, failures, replica, answer)
