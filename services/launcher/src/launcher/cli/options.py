"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file [RUNESTONE_CONFIG, or ./runestone.yaml where there is one]."),
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where data lives [RUNESTONE_DATA_DIR, or .runestone].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable: one JSON object a line.")]


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="How much the services log.")]
