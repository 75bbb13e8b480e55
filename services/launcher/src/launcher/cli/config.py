"""`runestone config check|show`."""

from pathlib import Path
from typing import Annotated

import typer

from launcher.cli.options import ConfigOption, DataDirOption, JsonOption

app = typer.Typer(help="Check and show the configuration without starting anything.", no_args_is_help=True)

FileArgument = Annotated[Path | None, typer.Argument(help="The file, instead of --config.")]


@app.command("check")
def check(
    file: FileArgument = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Says everything that is wrong with the file and the tenants' keys files, each with its line and path; exit code 1 when
    there is something."""
    from launcher.cli.showing import check_configuration  # noqa: PLC0415  `--help` does not wait for it

    if not check_configuration(file or config, data_dir, as_json=as_json):
        raise typer.Exit(1)


@app.command("show")
def show(
    file: FileArgument = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows the whole configuration in force, defaults included, secrets hidden, and what the file refers to with `${...}` as
    it is written there."""
    from launcher.cli.showing import show_configuration  # noqa: PLC0415  `--help` does not wait for it

    show_configuration(file or config, data_dir, as_json=as_json)
