"""`runestone doctor`."""

import typer

from launcher.cli.options import ConfigOption, DataDirOption, JsonOption


def doctor(config: ConfigOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Looks at everything that a mesh needs; exit code 1 when something would not work."""
    from launcher.cli.examination import examine  # noqa: PLC0415  `--help` does not wait for it

    if not examine(config, data_dir, as_json=as_json):
        raise typer.Exit(1)
