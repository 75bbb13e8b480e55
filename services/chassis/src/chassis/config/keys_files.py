"""Keys that stand in files of their own, beside the configuration: read, and put under their tenants with all that is
checked of keys.

A keys file is YAML, `{tenant: acme, keys: [...]}`; `runestone keys` writes it as JSON, a key a line. It names its tenant, so
that no file is taken for another's, and holds hashes, no secrets.
"""

import errno
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import field

from chassis.config.document import Document, KeyPath, Problem, Source
from chassis.config.section import NAME, Section
from chassis.config.shapes import find_type_errors

ReadText = Callable[[Path], str | None]


class KeysFile(Section, frozen=True, kw_only=True):
    """The file itself; its keys are checked where they are put."""

    tenant: str
    keys: list[dict[str, Any]] = field(default_factory=list)


def keys_path(tenant: str, keys_file: str | None, data_dir: Path) -> Path:
    """Where a tenant's keys file is: where `tenants[].keys_file` says, or `keys/<tenant>.yaml` in the data directory."""
    return Path(keys_file) if keys_file else data_dir / "keys" / f"{tenant}.yaml"


def read_if_there(path: Path) -> str | None:
    """The file's text; None where there is no file. Raises OSError, UnicodeDecodeError; OSError too for what is no regular
    file: a pipe that nobody writes to would never be read to its end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        return path.read_text()
    except FileNotFoundError:
        return None


def attach_keys(document: Document, data_dir: Path, read: ReadText = read_if_there) -> None:
    """Adds the keys of every tenant's file to the tenant; what is wrong with a file is among the document's problems. No file
    is no keys."""
    owners: dict[Path, str] = {}
    for path, tenant in _tenants(document.values):
        file = keys_path(tenant["name"], tenant.get("keys_file"), data_dir)
        document.files.append(file)
        if (other := owners.setdefault(file.resolve(), tenant["name"])) != tenant["name"]:
            message = f"{file} is the keys file of {other}, too; each tenant needs its own"
            document.problems.append(document.problem((*path, "keys_file"), message))
        else:
            _attach(document, path, tenant, file, read)


def _tenants(values: Any) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """The tenants that are formed well enough to have a file; the others are told of with all that is formed badly."""
    tenants = values.get("tenants") if isinstance(values, dict) else None
    for number, tenant in enumerate(tenants if isinstance(tenants, list) else ()):
        if isinstance(tenant, dict) and _is_name(tenant.get("name")) and _may_hold_keys(tenant):
            yield ("tenants", number), tenant


def _is_name(name: object) -> bool:
    return isinstance(name, str) and re.match(NAME, name) is not None


def _may_hold_keys(tenant: dict[str, Any]) -> bool:
    return isinstance(tenant.get("keys", []), list) and isinstance(tenant.get("keys_file"), str | None)


def _attach(document: Document, path: KeyPath, tenant: dict[str, Any], file: Path, read: ReadText) -> None:
    try:
        text = read(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        document.problems.append(document.problem((*path, "keys_file"), f"cannot read {file}: {reason}"))
        return
    if text is None:
        return
    source = Source(str(file), text)
    values, problems = source.read()
    if problems := problems or list(_find_problems(source, values, tenant["name"])):
        document.problems += problems
        return
    keys = tenant.setdefault("keys", [])
    for index, key in enumerate(values.get("keys", ())):
        document.origins[*path, "keys", len(keys)] = source, ("keys", index)
        keys.append(key)


def _find_problems(source: Source, values: Any, tenant: str) -> Iterator[Problem]:
    misshapen = list(find_type_errors(values, KeysFile))
    for path, message in misshapen:
        yield source.problem(path, message)
    if misshapen:
        return
    if values["tenant"] != tenant:
        yield source.problem(("tenant",), f"this is the keys file of {tenant!r}")
    for index, key in enumerate(values.get("keys", ())):
        for where, held in ((("keys", index), key), (("keys", index, "previous"), key.get("previous"))):
            if isinstance(held, dict) and "secret" in held:
                yield source.problem((*where, "secret"), "a keys file holds no secrets; write its `hash`")
