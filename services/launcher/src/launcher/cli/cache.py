"""`runestone cache stats`."""

import typer

from launcher.cli.options import DataDirOption, JsonOption

app = typer.Typer(help="Look into the answer cache.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Look into the answer cache."""


@app.command("stats")
def stats(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Shows what the cache holds and how often it helped."""
    from launcher.cli.cache_statistics import show_statistics  # noqa: PLC0415  `--help` does not wait for gRPC

    show_statistics(data_dir, as_json=as_json)
