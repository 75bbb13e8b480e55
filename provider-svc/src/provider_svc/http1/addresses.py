"""The addresses of one host, and how they change under connections that live."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from provider_svc.http1.counts import Counts
from provider_svc.http1.race import Address, look_up

LONGEST_STALE = 3_600.0  # seconds that addresses are used on while look-ups fail (RFC 8767 allows days)
PATIENCE = 1.8  # seconds that a look-up has while older addresses are known (RFC 8767, section 5)
SHORTEST_REST = 1.0  # seconds from a look-up to the next that nobody waits for, and to any next one behind a failure
AVOIDED = 60.0  # seconds that an address which did not connect is tried last
MOST_KNOWN = 1_024

Peer = tuple[str, int]


class AddressBook:
    """Looks `host` up when it is asked and the last answer is older than `ttl` seconds; whoever asks meanwhile shares the look-up.

    An address is *gone* when two look-ups in a row did not have it: a name that answers with a few of many addresses in turn
    has not moved. `on_gone` is told when any is. Made inside a running loop; `close` ends what it has begun.
    """

    def __init__(self, host: str, port: int, ttl: float, counts: Counts) -> None:
        self.on_gone: Callable[[], None] | None = None
        self._host = host
        self._port = port
        self._ttl = ttl
        self._counts = counts
        self._time = asyncio.get_running_loop().time
        self._is_fixed = _is_literal(host)
        self._found: list[Address] = []
        self._found_at = self._asked_at = -LONGEST_STALE
        self._failure: Exception | None = None
        self._looking: asyncio.Task[None] | None = None
        self._round = 0
        self._seen: dict[Peer, int] = {}  # in which round an address was last found
        self._avoided: dict[Peer, float] = {}

    async def find(self) -> list[Address]:
        """The addresses, families taking turns, those that did not connect lately last. Raises OSError or ValueError when the name
        cannot be resolved and was not within the last hour."""
        if not self._is_fresh():
            await asyncio.wait({self._look_up()}, timeout=PATIENCE if self._is_usable() else None)
        if not self._is_usable():
            raise self._failure or OSError("the look-up was given up")
        now = self._time()
        return sorted(self._found, key=lambda address: self._avoided.get(_peer(address), now) > now)

    def leads_to(self, peer: Peer | None) -> bool:
        """Whether a connection to `peer` leads to the host as it was last found; begins a look-up when that was too long ago."""
        if not self._is_fresh() and self._time() - self._asked_at >= SHORTEST_REST:
            self._look_up()
        return peer is None or self._round - self._seen.get(peer, self._round) < 2

    def avoid(self, address: Address) -> None:
        """The address did not connect, or another overtook it by far."""
        self._avoided[_peer(address)] = self._time() + AVOIDED

    def close(self) -> None:
        """Gives up a look-up that is under way."""
        if self._looking is not None:
            self._looking.cancel()

    def _is_fresh(self) -> bool:
        now = self._time()
        if self._found and (self._is_fixed or now - self._found_at < self._ttl):
            return True
        return self._failure is not None and self._is_usable() and now - self._asked_at < SHORTEST_REST

    def _is_usable(self) -> bool:
        return bool(self._found) and (self._is_fixed or self._time() - self._found_at < self._ttl + LONGEST_STALE)

    def _look_up(self) -> "asyncio.Task[None]":
        """The look-up that is under way, or a new one. It is nobody's who waits for it: the next one needs it too."""
        if self._looking is None:
            self._asked_at = self._time()
            self._looking = asyncio.create_task(self._ask(), name=f"look up {self._host}")
        return self._looking

    async def _ask(self) -> None:
        try:
            self._note(await look_up(self._host, self._port))
            self._counts.look_ups.inc()
        except (OSError, ValueError) as failure:
            self._counts.look_up_failures.inc()
            self._failure = failure
        finally:
            self._looking = None

    def _note(self, found: list[Address]) -> None:
        self._round += 1
        self._found, self._found_at, self._failure = found, self._time(), None
        if len(self._seen) > MOST_KNOWN:
            self._seen.clear()
        self._seen.update({_peer(address): self._round for address in found})
        self._avoided = {peer: until for peer, until in self._avoided.items() if until > self._found_at}
        if self.on_gone is not None and any(self._round - seen == 2 for seen in self._seen.values()):
            self.on_gone()

    def __repr__(self) -> str:
        return f"AddressBook({len(self._found)} addresses, {len(self._avoided)} avoided, {self._round} times found)"


def _peer(address: Address) -> Peer:
    """Host and port, as a socket names its peer; an IPv6 address has more behind them."""
    return address[1][:2]


def _is_literal(host: str) -> bool:
    with suppress(ValueError):
        ip_address(host)
        return True
    return False
