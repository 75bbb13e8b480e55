"""What the edge needs to know before it can open its doors; everything else is read from each snapshot."""

from dataclasses import dataclass
from pathlib import Path

from chassis.config.schema import Tls
from chassis.runtime import Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a port is: an inherited socket's descriptor, or host and port; and with which certificate it is served."""

    host: str
    port: int
    tls: Tls | None
    socket: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """Where it listens, for requests and for WebSockets only, how it drains, where it spools."""

    http: Listening
    websocket: Listening
    drain_delay: float
    drain_grace: float
    drain_ship: float
    spool_dir: Path
    spool_max_bytes: int
    worker: int

    @classmethod
    def of(cls, runtime: Runtime) -> "EdgeSettings":
        """Read from the first snapshot and the place: listening addresses do not change at run time."""
        edge, place = runtime.settings.edge, runtime.place

        def listen(name: str, port: int) -> Listening:
            own = place.ports.get(name, port)
            return Listening(host=edge.http.host, port=own, tls=edge.http.tls, socket=place.sockets.get(name))

        return cls(
            http=listen("http", edge.http.port),
            websocket=listen("websocket", edge.websocket.port),
            drain_delay=edge.drain.delay,
            drain_grace=edge.drain.grace,
            drain_ship=edge.drain.ship,
            spool_dir=place.data_dir / "spool",
            spool_max_bytes=runtime.settings.audit.spool_max_bytes,
            worker=place.worker,
        )
