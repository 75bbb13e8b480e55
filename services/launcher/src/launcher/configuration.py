"""Where the configuration and the data directory are, and how the file becomes the settings that are published."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.config import Settings, parse_settings
from chassis.keys import hash_key
from launcher.defaults import add_development_tenant, add_providers, needs_development_tenant
from launcher.errors import LaunchError
from launcher.keyfiles import ADMIN_KEY, DEVELOPMENT_KEY, ensure_key, read_key

FILE_NAME = "runestone.yaml"
DATA_DIR = Path(".runestone")


def find_config(option: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the option's, RUNESTONE_CONFIG's, `runestone.yaml` here, or none (every default).

    What is named may be a pipe: it can be read once. Raises LaunchError when it is not there, or a directory.
    """
    named = option or (Path(environment["RUNESTONE_CONFIG"]) if environment.get("RUNESTONE_CONFIG") else None)
    if named is None:
        return Path(FILE_NAME) if Path(FILE_NAME).is_file() else None
    if not named.exists() or named.is_dir():
        raise LaunchError(f"there is no configuration file {named}")
    return named


def find_data_dir(option: Path | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The option's directory, RUNESTONE_DATA_DIR's, or `.runestone`."""
    return option or Path(environment.get("RUNESTONE_DATA_DIR") or DATA_DIR)


def read_text(path: Path | None) -> str:
    """The file's text; empty without a file. Raises LaunchError when it cannot be read as text."""
    try:
        return path.read_text() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"cannot read {path}: {error}") from error


@dataclass(frozen=True, slots=True)
class Configuration:
    """Complete settings, and the file of a key that may call; None when the file names the tenants."""

    settings: Settings
    key_file: Path | None = None


def load(text: str, data_dir: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
    """What to run with: the file's settings, and what a first start needs. Makes the key files when they are needed.

    Raises ConfigError with every problem of the text, LaunchError when a key file cannot be made or read.
    """
    settings = add_providers(parse_settings(text), environment)
    if not needs_development_tenant(settings):
        return Configuration(settings)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        ensure_key(data_dir / ADMIN_KEY)
        key = ensure_key(data_dir / DEVELOPMENT_KEY)
    except OSError as error:
        raise LaunchError(f"cannot keep keys in {data_dir}: {error}") from error
    return Configuration(add_development_tenant(settings, _hash(key, settings)), data_dir / DEVELOPMENT_KEY)


def preview(text: str, data_dir: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """As `load`, but writes nothing: without a key file there is no development tenant yet."""
    settings = add_providers(parse_settings(text), environment)
    path = data_dir / DEVELOPMENT_KEY
    if needs_development_tenant(settings) and path.is_file():
        return add_development_tenant(settings, _hash(read_key(path), settings))
    return settings


def _hash(key: str, settings: Settings) -> str:
    pepper = settings.edge.key_pepper
    return hash_key(key, pepper.reveal() if pepper else None)
