"""`runestone providers list|check`."""

import typer

from launcher.cli.options import ConfigOption, DataDirOption, JsonOption

app = typer.Typer(help="The providers of the configuration, and whether they answer.", no_args_is_help=True)


@app.command("list")
def list_(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Shows each provider: what it is, where, what it speaks, and whether it has a key. Keys are not shown."""
    from launcher.cli.provider_table import list_providers  # noqa: PLC0415  `--help` does not wait for it

    list_providers(config, data_dir, as_json=as_json)


@app.command("check")
def check(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Asks each provider for its list of models, with its key; exit code 1 when one does not answer as it should."""
    from launcher.cli.provider_table import check_providers  # noqa: PLC0415  `--help` does not wait for it

    if not check_providers(config, data_dir, as_json=as_json):
        raise typer.Exit(1)
