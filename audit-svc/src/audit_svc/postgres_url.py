"""Addresses of a PostgreSQL: `postgresql://user:password@host[:port][,host...]/database?sslmode=verify-full&sslrootcert=...`."""

import re
from urllib.parse import parse_qsl, urlsplit

from chassis.config import ConfigError
from chassis.config.document import Problem

SCHEMES = ("postgresql", "postgres")
# As libpq has them, but for those that would hold a password where `MaskedUrl` does not look for one.
OPTIONS = {
    "host": None,  # the folder of a unix socket
    "port": None,
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslrootcert": None,
    "sslcert": None,
    "sslkey": None,
    "sslcrl": None,
    "ssl_min_protocol_version": None,
    "target_session_attrs": ("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
}
_PORT = r"(?::\d{1,5})?"
_HOSTS = re.compile(rf"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,\s]+){_PORT}(?:,(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,\s]+){_PORT})*")
_SHAPE = (
    "is not like postgresql://user:password@host:5432/database; in a user or a password, characters such as"
    " / ? # @ : stand as %2F %3F %23 %40 %3A"
)


def check_url(url: str) -> None:
    """Raises ConfigError for an address that is not whole, or has options that are not known, without quoting any of it: a part
    that is read as a host may be the end of a password.

    The client library would hand an option with a slip of the pen on to the server, and go without TLS.
    """
    fault = _find_fault(url)
    if fault is not None:
        raise ConfigError([Problem(("audit", "store"), fault)])


def _find_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        return _SHAPE
    user, at, hosts = parts.netloc.rpartition("@")
    names_a_place = _HOSTS.fullmatch(hosts) or (not hosts and "host" in dict(options))
    is_whole = parts.scheme in SCHEMES and at and user.partition(":")[0] and "@" not in user and names_a_place
    if not is_whole or not re.fullmatch("/[^/@]+", parts.path) or parts.fragment:
        return _SHAPE
    return next((fault for name, value in options if (fault := _find_option_fault(name, value))), None)


def _find_option_fault(name: str, value: str) -> str | None:
    if name not in OPTIONS:
        return f"has an option that is not one of: {', '.join(OPTIONS)}"
    choices = OPTIONS[name]
    return f"{name} is not one of: {', '.join(choices)}" if choices and value not in choices else None
