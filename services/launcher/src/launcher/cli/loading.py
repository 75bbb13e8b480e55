"""The configuration as commands want it: complete, or one line for each thing that is wrong with it."""

from pathlib import Path

from chassis.config import ConfigError
from launcher.configuration import Configuration, find_config, load, read_text
from launcher.errors import LaunchError


def load_configuration(option: Path | None, data_dir: Path) -> Configuration:
    """The configuration that `--config` or its substitutes name. Raises LaunchError with a line for each problem."""
    path = find_config(option)
    try:
        return load(read_text(path), data_dir)
    except ConfigError as error:
        raise LaunchError("\n".join(f"{path}: {problem}" for problem in error.problems)) from error
