"""Who calls, where proxies stand in between. Pure.

Every trusted proxy appends the address that it was called from: `X-Forwarded-For`, or `Forwarded` (RFC 7239). Read from
the right, the first address that is no trusted proxy's is the client's; what stands left of it is the client's own claim.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from chassis.errors import Reason, RunestoneError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = ""
X_FORWARDED_FOR = "x-forwarded-for"
FORWARDED = "forwarded"
KNOWN = 4096  # addresses that are remembered as they were read
LONGEST = 64  # characters of an address with its brackets, zone and port; more is none, and is not remembered
SITE = 64  # bits of an IPv6 address that name one client's network (RFC 6177)

_PAIR = re.compile(
    r'\s*(?P<name>[^\s"=;,]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s";,]+))\s*(?P<end>;(?!\s*$)|,|$)'
)
_PORT = re.compile(r":\d{1,5}")


class TrustedProxies:
    """The proxies whose word on their caller is taken, by address or CIDR range."""

    def __init__(self, ranges: Iterable[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(text) for text in ranges]
        self._look_up = lru_cache(KNOWN)(self._read_hop)

    def trusts(self, peer: str) -> bool:
        """Whether `peer` is one of them."""
        return bool(self._networks) and self._look_up(peer)[1]

    def find_client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The address of who calls through the trusted proxy `peer`; UNKNOWN where a trusted proxy names none. Raises
        INVALID_REQUEST when the two headers name different clients: the proxy wrote one of them, and the client may
        have written the other; and when `forwarded` cannot be read."""
        named = {self._rightmost(hops, peer) for hops in _read_hops(headers)}
        if len(named) > 1:
            message = f"the headers {X_FORWARDED_FOR} and {FORWARDED} name different clients"
            raise RunestoneError(Reason.INVALID_REQUEST, message)
        return named.pop() if named else peer

    def _rightmost(self, hops: list[str], peer: str) -> str:
        client = peer
        for hop in reversed(hops):
            client, is_proxy = self._look_up(hop if len(hop) <= LONGEST else UNKNOWN)
            if not is_proxy:
                break
        return client

    def _read_hop(self, text: str) -> tuple[str, bool]:
        """The address in `text`, UNKNOWN when there is none, and whether it is a proxy's."""
        address = read_address(text)
        if address is None:
            return UNKNOWN, False
        return str(address), any(address in network for network in self._networks)

    def __repr__(self) -> str:
        return f"TrustedProxies({', '.join(map(str, self._networks))})"


def read_address(text: str) -> Address | None:
    """The address in `text`, which may have a port or brackets; an IPv4 address mapped into IPv6 is itself. None when it is
    none."""
    host, bracket, port = text.strip().removeprefix("[").partition("]")
    if not bracket and host.count(":") == 1:
        host, _, digits = host.partition(":")
        port = f":{digits}"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if (port and not _PORT.fullmatch(port)) or getattr(address, "scope_id", None) is not None:
        return None  # a zone means something to one machine only (RFC 4007), and may be any text
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(KNOWN)
def site_of(address: str) -> str:
    """What is counted as one client: an IPv4 address, or the network of an IPv6 address, of which one client has all."""
    known = read_address(address)
    if not isinstance(known, ipaddress.IPv6Address):
        return address if known is None else str(known)
    return str(ipaddress.IPv6Network((known, SITE), strict=False))


def _read_hops(headers: Mapping[str, str]) -> Iterator[list[str]]:
    """The addresses that each of the two headers lists, as they stand there."""
    if (listed := headers.get(X_FORWARDED_FOR)) is not None:
        yield listed.split(",")
    if (listed := headers.get(FORWARDED)) is not None:
        yield list(_read_forwarded(listed))


def _read_forwarded(text: str) -> Iterator[str]:
    """Pair by pair, so that a quoted `host`, which the client chose, cannot pass for a `for`."""
    position, hop = 0, UNKNOWN
    while position < len(text):
        pair = _PAIR.match(text, position)
        if pair is None:
            raise RunestoneError(Reason.INVALID_REQUEST, f"the header {FORWARDED} cannot be read")
        if pair["name"].lower() == "for":
            hop = pair["quoted"] or pair["plain"] or UNKNOWN
        if pair["end"] != ";":
            yield hop
            hop = UNKNOWN
        position = pair.end()
