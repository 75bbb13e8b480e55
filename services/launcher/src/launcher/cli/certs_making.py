"""What `runestone certs create` does and prints."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec

from chassis.config.schema import MeshTls
from chassis.mesh_security.identity import SERVICE
from launcher.certificate_folder import AUTHORITY, FRONT, NAMES, Order, create_certificates
from launcher.errors import LaunchError


def make(
    out: Path,
    trust_domain: str,
    days: int,
    names: Sequence[str],
    front_hosts: Sequence[str],
    *,
    is_forced: bool,
    as_json: bool,
) -> None:
    """Prints a line for each certificate. Raises LaunchError for a name that can be none."""
    _check(trust_domain, names)
    order = Order(
        folder=out,
        trust_domain=trust_domain,
        names=names or NAMES,
        front_hosts=front_hosts,
        life=timedelta(days=days),
        is_forced=is_forced,
    )
    for one in create_certificates(order):
        if as_json:
            print(msgspec.json.encode(one).decode())
        else:
            print(f"{one.folder}: {'made' if one.is_new else 'stays'}, good until {one.expires_at[:10]}")


def _check(trust_domain: str, names: Sequence[str]) -> None:
    try:
        msgspec.convert({"cert": "c", "key": "k", "ca": "a", "trust_domain": trust_domain}, MeshTls)
    except msgspec.ValidationError as error:
        raise LaunchError(
            f"{trust_domain!r} is no trust domain: lower-case letters, digits, dots and dashes"
        ) from error
    for name in names:
        if not SERVICE.fullmatch(name) or name in (AUTHORITY, FRONT):
            raise LaunchError(
                f"{name!r} is no name that a certificate can have here: lower-case letters, digits, dashes"
            )
