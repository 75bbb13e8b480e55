"""Which server of a Redis Cluster keeps which keys: pure.

Redis Cluster specification, https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/: 16,384 slots, each with
one master.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Self, TypeVar

from redis.crc import key_slot

KEY_BEHIND = {"XREAD": "STREAMS"}  # commands whose first argument is not a key: it stands behind this one
_MOVING = re.compile(rb"\[\d+-[<>]-")  # of `CLUSTER NODES`: a slot that its server gives away, or takes over

Server = TypeVar("Server")


class Address(NamedTuple):
    """Where a server listens. `host` is empty where servers do not know their own: then it is the one that was asked."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Ranges of slots in order, both ends included, and the master of each."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    owners: tuple[Address, ...]

    @classmethod
    def read(cls, reply: Sequence[Any], asked: Address) -> Self:
        """Of the answer to `CLUSTER SLOTS`: `[first, last, [host, port, ...], replicas...]` for each range."""
        ranges = sorted((int(first), int(last), _read_address(master, asked)) for first, last, master, *_ in reply)
        starts, ends, owners = zip(*ranges, strict=True) if ranges else ((), (), ())
        return cls(starts, ends, owners)

    def find_owner(self, slot: int) -> Address | None:
        """The master of a slot; None when it has none."""
        index = bisect_right(self.starts, slot) - 1
        return self.owners[index] if index >= 0 and slot <= self.ends[index] else None

    @property
    def masters(self) -> tuple[Address, ...]:
        """Every master that keeps something, once."""
        return tuple(sorted(set(self.owners)))


@dataclass(frozen=True, slots=True)
class Survey(Generic[Server]):
    """The servers that keep all keys between them; with a cluster, by which layout, and whether slots are being moved, so that a key
    may be met twice or, by who asks one server after another, not at all."""

    masters: tuple[Server, ...]
    layout: Layout | None = None
    is_moving: bool = False


def slot_of(key: bytes | str | int) -> int:
    """The slot of a key: CRC16 of what stands between its first braces, or of all."""
    return int(key_slot(key if isinstance(key, bytes) else str(key).encode()))


def key_of(command: str, arguments: Sequence[bytes | str | int]) -> bytes | str | int:
    """The first key of a command. Raises ValueError for one without."""
    position = arguments.index(KEY_BEHIND[command]) + 1 if command in KEY_BEHIND else 0
    if position >= len(arguments):
        raise ValueError(f"{command} names no key, by which a cluster's server could be found")
    return arguments[position]


def tells_of_moves(nodes: Iterable[bytes]) -> bool:
    """Whether a slot is being moved, by the answers of all masters to `CLUSTER NODES`: each tells of its own only."""
    return any(_MOVING.search(text) for text in nodes)


def _read_address(node: Sequence[Any], asked: Address) -> Address:
    host = (node[0] or b"").decode()
    return Address(host if host not in ("", "?") else asked.host, int(node[1]))
