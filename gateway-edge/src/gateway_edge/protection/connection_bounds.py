"""How many connections there may be: in all, and of one client address."""

import resource
from collections.abc import Callable

from chassis.config.schema import Protection
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from gateway_edge.door.errors import write_refusal
from gateway_edge.door.proxies import TrustedProxies, site_of
from gateway_edge.protection.tally import Tally

KEPT_DESCRIPTORS = 256  # for what is no connection of a client: files, peers, the loop
MOST_HANDSHAKES = 512  # of TLS, at once; half of them by one address
RETRY_AFTER = 1.0  # seconds; connections come and go, nobody knows when


def raise_descriptor_limit() -> int:
    """Lets this process have as many descriptors as it may, and returns how many connections fit into them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (soft, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(1, soft - KEPT_DESCRIPTORS)


class ConnectionBounds:
    """Counts connections and says what those above a bound are told. `fitting` is how many the process can have at all.

    A trusted proxy's connections are many clients': they are bounded only in all, and their calls by client.
    """

    def __init__(
        self,
        protection: Callable[[], Protection],
        proxies: Callable[[], TrustedProxies],
        metrics: Metrics,
        fitting: int = 1 << 20,
    ) -> None:
        self._protection = protection
        self._proxies = proxies
        self._fitting = fitting
        self._open: Tally[str] = Tally()
        self._handshakes: Tally[str] = Tally()
        self._refused = metrics.counter("connections_refused", "Connections above a bound", ("bound",))
        self._expired = metrics.counter("connections_expired", "Connections that were silent too long", ("phase",))
        metrics.gauge("connections", "Client connections open now").set_function(lambda: self._open.total)

    @property
    def protection(self) -> Protection:
        """The bounds for a connection that is opened now."""
        return self._protection()

    def enter(self, address: str) -> bytes:
        """Counts a connection; or returns the answer that refuses it, and does not."""
        protection, site = self.protection, site_of(address)
        if self._open.total >= min(protection.max_connections, self._fitting):
            return self._refuse("total", Reason.OVERLOADED, "the gateway has as many connections as it can bear")
        if self._open[site] >= protection.max_connections_per_address and not self._proxies().trusts(address):
            most = protection.max_connections_per_address
            return self._refuse(
                "address", Reason.RATE_LIMITED, f"your address has {most} connections, as many as it may"
            )
        self._open.add(site)
        return b""

    def leave(self, address: str) -> None:
        """Forgets a connection that was counted."""
        self._open.remove(site_of(address))

    def begin_handshake(self, address: str) -> bool:
        """Counts a TLS handshake; or says that there is no room for it, and does not."""
        site = site_of(address)
        if self._handshakes.total >= MOST_HANDSHAKES or self._handshakes[site] >= MOST_HANDSHAKES // 2:
            self._refused.labels("handshakes").inc()
            return False
        self._handshakes.add(site)
        return True

    def end_handshake(self, address: str) -> None:
        """Forgets a handshake that was counted."""
        self._handshakes.remove(site_of(address))

    def expire(self, phase: str) -> bytes:
        """Counts a connection that is given up in a `phase` (`idle`, `headers`, `closing`, `silent`), and returns what it is told."""
        self._expired.labels(phase).inc()
        if phase != "headers":
            return b""
        return write_refusal(RunestoneError(Reason.REQUEST_TIMEOUT, "the request's headers did not arrive in time"))

    def _refuse(self, bound: str, reason: Reason, message: str) -> bytes:
        self._refused.labels(bound).inc()
        error = RunestoneError(reason, f"{message}; try again", retry_after=RETRY_AFTER, code="too_many_connections")
        return write_refusal(error)

    def __repr__(self) -> str:
        return f"ConnectionBounds({self._open.total} open from {len(self._open)} addresses)"
