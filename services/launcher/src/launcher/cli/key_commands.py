"""What the commands about keys do, and how they show it. A secret goes to stdout or to a file, nowhere else, and once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from chassis.config import Duration
from launcher.cli.key_table import describe_held, draw_keys
from launcher.configuration import find_config, find_data_dir, read_text
from launcher.errors import LaunchError
from launcher.key_desk import Issued, KeyDesk
from launcher.keyring import KeyRequest
from launcher.meshfile import find_mesh


class Desk:
    """One command at the desk of one configuration: the option's, else the running mesh's, else the one found here."""

    def __init__(self, config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
        where = find_data_dir(data_dir)
        path = find_config(config) if config else _config_in_use(where)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self._desk = KeyDesk(path, read_text(path), where)
        self._as_json = as_json

    def create(self, tenant: str | None, request: KeyRequest, out: Path | None) -> None:
        """Makes a key and shows its secret."""
        issued = self._desk.create(tenant, request, self.now, out)
        self._show_secret(issued, out, {"expires_at": request.expires_at})

    def rotate(self, tenant: str | None, name: str, grace: timedelta, out: Path | None) -> None:
        """Gives a key another secret and shows it."""
        issued = self._desk.rotate(tenant, name, now=self.now, grace=grace, out=out)
        self._show_secret(issued, out, {"previous_until": self.now + grace if grace else None})

    def revoke(self, tenant: str | None, name: str) -> None:
        """Takes a key back."""
        whose, file = self._desk.revoke(tenant, name)
        if self._as_json:
            _print_json({"tenant": whose, "name": name, "file": str(file), "revoked": True})
        else:
            typer.echo(f"revoked {whose}/{name} in {file}: as soon as the gateway has read it, new calls are refused")

    def show(self, tenant: str | None) -> None:
        """Lists keys."""
        keys = [describe_held(held, self.now) for held in self._desk.list_keys(tenant)]
        if self._as_json:
            for key in keys:
                _print_json(key)
        else:
            Console().print(draw_keys(keys) if keys else "no keys")

    def _show_secret(self, issued: Issued, out: Path | None, terms: dict[str, datetime | None]) -> None:
        about = {"tenant": issued.tenant, "name": issued.name, "file": str(issued.file), **terms}
        if self._as_json:
            _print_json({**about, **({"out": str(out)} if out else {"secret": issued.secret})})
            return
        place = f"{issued.tenant}/{issued.name} is in {issued.file}"
        if out:
            typer.echo(f"{place}; its secret is in {out}")
            return
        typer.echo(f"{place}; this is its secret, shown once:", err=True)
        print(issued.secret)


def read_end(text: str, now: datetime) -> datetime | None:
    """A moment to come, from RFC 3339 or from a duration, which counts from `now`; None for an empty text.

    Raises LaunchError for anything else.
    """
    if not text:
        return None
    try:
        end = datetime.fromisoformat(text)
    except ValueError:
        end = now + _read_duration(text, "neither a time (2027-01-31T12:00:00Z) nor a duration (30d)")
    if end.tzinfo is None:
        raise LaunchError(f"{text!r} names no zone; write 2027-01-31T12:00:00Z")
    if end <= now:
        raise LaunchError(f"{text!r} is over already")
    return end


def read_grace(text: str) -> timedelta:
    """A duration. Raises LaunchError for anything else."""
    return _read_duration(text, "no duration (24h)")


def read_metadata(pairs: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` by name. Raises LaunchError for what is none."""
    for pair in pairs:
        if not pair.partition("=")[0] or "=" not in pair:
            raise LaunchError(f"{pair!r} is not NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs)


def _read_duration(text: str, complaint: str) -> timedelta:
    """A number alone is none: `2027` would be half an hour."""
    try:
        if text.isdecimal() and int(text):
            raise ValueError  # noqa: TRY301  as what cannot be read
        return timedelta(seconds=Duration.parse(text))
    except (ValueError, OverflowError) as error:
        raise LaunchError(f"{text!r} is {complaint}") from error


def _config_in_use(data_dir: Path) -> Path | None:
    try:
        return find_mesh(data_dir).config_path
    except LaunchError:
        return find_config(None)


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode())
