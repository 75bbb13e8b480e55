"""`runestone up`."""

from typing import Annotated

import typer

from launcher.cli.options import ConfigOption, DataDirOption, LogLevel, LogLevelOption


def up(
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    one_process: Annotated[
        bool, typer.Option("--one-process", help="All services in one process instead of one each.")
    ] = False,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Starts the whole gateway on this machine and keeps it running until Ctrl-C."""
    from launcher.cli.run import run_mesh  # noqa: PLC0415  `--help` does not wait for gRPC

    run_mesh(config, data_dir, one_process, log_level.value)
