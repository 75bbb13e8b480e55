"""Where the configuration and the data directory are, and how the file becomes the settings that are published."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.config import ConfigError, Problem, Settings, hash_secrets
from chassis.config.decode import settle_document
from chassis.config.document import Document, IsNeeded, KeyPath, all_needed, read_document
from chassis.config.keys_files import ReadText, attach_keys, keys_path, read_if_there
from chassis.config.schema import Drain
from chassis.config.tenants import check_tenants
from chassis.reload.source import Source
from chassis.snapshots import SECTIONS, Snapshot, is_sent, own_version, settings_for
from launcher.defaults import (
    DEVELOPMENT,
    add_admin_key,
    add_providers,
    describe_development_tenant,
    needs_admin_key,
    needs_development_tenant,
)
from launcher.errors import LaunchError
from launcher.keyfiles import ADMIN_KEY, DEVELOPMENT_KEY, ensure_key, read_key

FILE_NAME = "runestone.yaml"
DATA_DIR = Path(".runestone")
DRAIN: KeyPath = ("edge", "drain")


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
    """Complete settings, in which keys stand by their hashes, and the file of a key that may call; None when the file names
    the tenants."""

    settings: Settings
    key_file: Path | None = None


def open_source(path: Path | None, data_dir: Path, *, makes_admin_key: bool = True) -> Source[Configuration]:
    """What `load` makes of the file, to be read as often as a file changes. Reading raises ConfigError with every problem."""

    def load_text(text: str) -> Configuration:
        try:
            return load(text, data_dir, makes_admin_key=makes_admin_key)
        except LaunchError as error:
            raise ConfigError([Problem((), str(error))]) from error

    keys = (data_dir / ADMIN_KEY, data_dir / DEVELOPMENT_KEY)
    return Source(path, load_text, lambda text: [*list_files(text, data_dir), *keys])


@dataclass(frozen=True, slots=True)
class OwnConfiguration:
    """What a service on its own makes of the file: the sections that it is sent, and how it stops, which is the same for all."""

    snapshot: Snapshot
    drain: Drain


def open_own_source(service: str, path: Path | None, data_dir: Path) -> Source[OwnConfiguration]:
    """What `load_own` makes of the file. Reading raises ConfigError with every problem."""

    def load_text(text: str) -> OwnConfiguration:
        try:
            return load_own(service, text, data_dir)
        except LaunchError as error:
            raise ConfigError([Problem((), str(error))]) from error

    keys = (data_dir / ADMIN_KEY, data_dir / DEVELOPMENT_KEY)
    return Source(path, load_text, lambda text: [*list_files(text, data_dir), *keys])


def load_own(service: str, text: str, data_dir: Path, environment: Mapping[str, str] = os.environ) -> OwnConfiguration:
    """What `service` needs of a configuration. References elsewhere in it may be unresolved, and who is sent no keys makes none.

    Raises ConfigError with every problem, LaunchError when a key file cannot be made or read.
    """

    def is_needed(path: KeyPath) -> bool:
        return path[: len(DRAIN)] == DRAIN or is_sent(service, path)

    if "tenants" in SECTIONS[service]:
        whole = load(text, data_dir, environment, makes_admin_key=False, is_needed=is_needed).settings
    else:
        whole = add_providers(read_settings(text, data_dir, is_needed=is_needed), environment)
    settings = settings_for(service, whole)
    version = own_version(repr(read_document(text, None).values), settings)
    return OwnConfiguration(Snapshot(version, settings), whole.edge.drain)


def load(
    text: str,
    data_dir: Path,
    environment: Mapping[str, str] = os.environ,
    *,
    makes_admin_key: bool = True,
    is_needed: IsNeeded = all_needed,
) -> Configuration:
    """What to run with: the file's settings, its tenants' keys files, and what a first start needs. Makes the key files when
    they are needed; the admin key's only with `makes_admin_key`, else it is read where it is there.

    Raises ConfigError with every problem of the text and the keys files, LaunchError when a key file cannot be made or read.
    """
    settings, key_file = read_settings(text, data_dir, is_needed=is_needed), None
    if needs_development_tenant(settings):
        key_file = data_dir / DEVELOPMENT_KEY
        settings = read_settings(text, data_dir, _keep_key(key_file), is_needed=is_needed)
    admin_key = data_dir / ADMIN_KEY
    if needs_admin_key(settings) and (makes_admin_key or key_file or admin_key.exists()):
        settings = add_admin_key(settings, _keep_key(admin_key))
    _refuse_shared_admin_key(settings, admin_key)
    return Configuration(hash_secrets(add_providers(settings, environment)), key_file)


def preview(text: str, data_dir: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """As `load`, but writes nothing and hashes nothing: without a key file there is no development tenant yet."""
    settings = read_settings(text, data_dir)
    path = data_dir / DEVELOPMENT_KEY
    if needs_development_tenant(settings) and path.is_file():
        settings = read_settings(text, data_dir, read_key(path))
    return add_providers(settings, environment)


def read_settings(
    text: str,
    data_dir: Path,
    development_key: str | None = None,
    read: ReadText = read_if_there,
    *,
    is_needed: IsNeeded = all_needed,
) -> Settings:
    """The settings in a text and in the keys files that belong to it; with `development_key` also the tenant who has it.

    Raises ConfigError with every problem.
    """
    return settle_document(_read(text, data_dir, development_key, read, is_needed))


def list_files(text: str, data_dir: Path) -> list[Path]:
    """The files beside itself that a configuration depends on, there or not: those it refers to, and its keys files. Whatever
    else is wrong with it."""
    document = _read(text, data_dir, None, read_if_there)
    if not _names_tenants(document):
        document.files.append(keys_path(DEVELOPMENT, None, data_dir))
    return document.files


def _read(
    text: str, data_dir: Path, development_key: str | None, read: ReadText, is_needed: IsNeeded = all_needed
) -> Document:
    document = read_document(text, is_needed=is_needed)
    if development_key is not None and not _names_tenants(document):
        document.values["tenants"] = [describe_development_tenant(development_key)]
    attach_keys(document, data_dir, read)
    return document


def _names_tenants(document: Document) -> bool:
    return not isinstance(document.values, dict) or bool(document.values.get("tenants"))


def _keep_key(path: Path) -> str:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ensure_key(path)
    except OSError as error:
        raise LaunchError(f"cannot keep keys in {path.parent}: {error}") from error


def _refuse_shared_admin_key(settings: Settings, admin_key: Path) -> None:
    """Whoever holds a tenant's key would be an administrator."""
    for _, message in check_tenants(settings):
        raise LaunchError(f"{admin_key}: a tenant's key {message}")
