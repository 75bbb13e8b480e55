"""The configuration as commands want it: complete, or one line for each thing that is wrong with it."""

from pathlib import Path

from chassis.config import ConfigError
from chassis.reload.source import Source
from launcher.configuration import Configuration
from launcher.errors import LaunchError


def load_configuration(path: Path | None, source: Source[Configuration]) -> Configuration:
    """What `source` reads of the file `path`. Raises LaunchError with a line for each problem."""
    try:
        return source.read()
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error
