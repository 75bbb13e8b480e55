"""`runestone targets`."""

from typing import Annotated

import typer

from launcher.cli.options import DataDirOption, JsonOption


def targets(
    *,
    keys: Annotated[bool, typer.Option("--keys", help="The providers' keys in place of the targets.")] = False,
    connections: Annotated[
        bool, typer.Option("--connections", help="The providers' connections in place of the targets.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how each target is, as every replica of provider-svc knows it; one that cannot be asked is exit code 1."""
    from launcher.cli import target_commands  # noqa: PLC0415  `--help` does not wait for gRPC

    if keys and connections:
        raise typer.BadParameter("give --keys or --connections, not both")
    if keys:
        target_commands.show(target_commands.KEYS, data_dir, as_json=as_json)
    elif connections:
        target_commands.show(target_commands.CONNECTIONS, data_dir, as_json=as_json)
    else:
        target_commands.show(target_commands.TARGETS, data_dir, as_json=as_json)
