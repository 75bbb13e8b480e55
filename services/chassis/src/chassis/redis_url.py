"""Addresses of a Redis Cluster: `redis+cluster://[user:password@]host[:port],host[:port]...`, `rediss+cluster://` over TLS."""

import re
from dataclasses import dataclass, field
from typing import Self

from chassis.redis_layout import Address

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
PORT = 6379
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s]+)(?::(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class ClusterUrl:
    """Where a cluster can be asked first, and how each of its servers is spoken to. What may hold a password is not shown."""

    scheme: str
    seeds: tuple[Address, ...]
    user: str = field(repr=False)
    options: str = field(repr=False)

    @classmethod
    def read(cls, url: str) -> Self:
        """Raises ValueError for what is no such address, without quoting it. A cluster has one database: a path must be `/0`."""
        scheme, _, rest = url.partition("://")
        place, _, query = rest.partition("?")
        user, at, hosts = place.rpartition("@")
        hosts, _, path = hosts.partition("/")
        seeds = tuple(_read_host(host) for host in hosts.split(","))
        if scheme not in SCHEMES or path not in ("", "0"):
            raise ValueError("not the address of a cluster")
        return cls(SCHEMES[scheme], seeds, user + at, f"?{query}" if query else "")

    def of(self, server: Address) -> str:
        """The address of one server."""
        host = f"[{server.host}]" if ":" in server.host else server.host
        return f"{self.scheme}://{self.user}{host}:{server.port}/0{self.options}"


def is_cluster(url: str) -> bool:
    """Whether an address is that of a cluster, not of one server."""
    return url.partition("://")[0] in SCHEMES


def _read_host(text: str) -> Address:
    match = _HOST.fullmatch(text)
    if match is None or not 0 < int(match[2] or PORT) < 1 << 16:
        raise ValueError("not a host")
    return Address(match[1].strip("[]"), int(match[2] or PORT))
