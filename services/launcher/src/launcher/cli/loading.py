"""The configuration as commands want it: complete, or one line for each thing that is wrong with it."""

from pathlib import Path

from chassis.config import ConfigError
from launcher.configuration import Configuration, load, read_text
from launcher.errors import LaunchError


def load_configuration(path: Path | None, data_dir: Path) -> Configuration:
    """The configuration in a file that `find_config` found. Raises LaunchError with a line for each problem."""
    try:
        return load(read_text(path), data_dir)
    except ConfigError as error:
        raise LaunchError("\n".join(problem.tell(path) for problem in error.problems)) from error
