"""All open WebSockets of this process: counted, closed when their key is revoked, and one after another when the process stops."""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterable, Iterator

from chassis.errors import RunestoneError
from chassis.logs import Logger
from chassis.metrics import Metrics
from gateway_edge.policy import Policy
from gateway_edge.websocket.codes import GOING_AWAY, LEAST_OWN, RESTARTING
from gateway_edge.websocket.socket import WebSocket
from gateway_edge.websocket.traffic import Traffic

BATCHES = 10
STAGGER = 0.5  # of the grace, over which the batches are spread: clients that all come back at once find nobody ready
LONGEST_STAGGER = 2.5  # seconds; a client is back within five
SPARED_AT = (
    1000  # sockets more than ever, after which the garbage collector is told to look at none of them again: see `add`
)
LAST_WORDS = 0.5  # seconds that a peer may take to answer the last close frame


class OpenSockets:
    """Keeps the sockets from their handshake to their end. `is_draining` says that none is to be opened any more."""

    def __init__(self, metrics: Metrics, log: Logger) -> None:
        self.log = log
        self.is_draining = False
        self._open: set[WebSocket] = set()
        self._spared = 0
        self._traffic: dict[str, Traffic] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._messages = metrics.counter("socket_messages", "WebSocket messages", ("endpoint", "direction"))
        self._closes = metrics.counter(
            "socket_closes", "Closed WebSockets by the close frame's code", ("endpoint", "code")
        )
        self.refused = metrics.counter(
            "socket_handshakes_refused", "WebSocket handshakes refused", ("endpoint", "reason")
        )
        metrics.survey("sockets_open", "WebSockets open now", ("endpoint",), self._count)
        metrics.gauge("socket_buffered_bytes", "Bytes that wait for WebSocket clients to read them").set_function(
            lambda: sum(socket.buffered for socket in self._open)
        )

    def traffic(self, path: str) -> Traffic:
        """What counts the messages of a path; the same for all of it."""
        found = self._traffic.get(path)
        if found is None:
            found = self._traffic[path] = Traffic(self._messages.labels(path, "in"), self._messages.labels(path, "out"))
        return found

    def add(self, socket: WebSocket) -> None:
        """A socket was opened.

        Ten thousand hold 200,000 objects, which the collector would go through every time when their number has grown by a quarter: 60 to
        200 ms, in which nobody is served. They end by themselves, being in no cycle, so it need not. What is spared happens at new heights
        only, so that what is garbage by then is little, and once.
        """
        self._open.add(socket)
        self._empty.clear()
        if len(self._open) >= self._spared + SPARED_AT:
            self._spared = len(self._open)
            gc.freeze()

    def remove(self, socket: WebSocket, code: int) -> None:
        """It is closed. Clients may choose codes from 3000: those are counted as one."""
        self._open.discard(socket)
        self._closes.labels(socket.path, code if code < LEAST_OWN else "3000-4999").inc()
        if not self._open:
            self._empty.set()

    def revoke(self, policy: Policy) -> None:
        """Closes those whose key is no more under `policy`: now where that says so, else at their next message."""
        for socket in list(self._open):
            try:
                socket.session.find(policy)
            except RunestoneError:
                socket.revoke(at_once=policy.settings.edge.end_revoked_streams)

    async def drain(self, grace: float) -> None:
        """Tells what is spoken on each, closes them with 1012 in batches over a part of `grace` seconds, and waits for what is busy until
        that is over. When cancelled, what is open stays so."""
        self.is_draining = True
        deadline = asyncio.get_running_loop().time() + grace
        idle = [socket for socket in list(self._open) if not socket.tell_of_drain()]
        pause = min(grace * STAGGER, LONGEST_STAGGER) / BATCHES
        for batch in _cut(idle, BATCHES):
            for socket in batch:
                if not socket.tell_of_drain():  # something may have begun on it while others were closed
                    socket.close(RESTARTING, "the gateway restarts")
            await asyncio.sleep(pause)
        await self._wait(deadline - asyncio.get_running_loop().time())

    async def end(self) -> None:
        """Closes what is left with 1001."""
        for socket in list(self._open):
            socket.close(GOING_AWAY, "the gateway stops")
        await self._wait(LAST_WORDS)

    async def _wait(self, patience: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, patience)):
                await self._empty.wait()
        except TimeoutError:
            return

    def _count(self) -> Iterable[tuple[tuple[str], float]]:
        return [((path,), float(count)) for path, count in Counter(socket.path for socket in self._open).items()]

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"OpenSockets({len(self)}{', draining' if self.is_draining else ''})"


def _cut(sockets: list[WebSocket], count: int) -> Iterator[list[WebSocket]]:
    """At most `count` batches, none of them empty."""
    size = -(-len(sockets) // count)
    for start in range(0, len(sockets), size or 1):
        yield sockets[start : start + size]
