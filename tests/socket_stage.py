"""The edge's WebSocket stack around an application of a test's own, without a mesh: `python -m socket_stage` serves an echo."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chassis.clock import SystemClock
from chassis.config import parse_settings
from chassis.ids import new_call_id
from chassis.metrics import Metrics
from chassis.snapshots import Snapshot
from chassis.tracing import Tracing
from gateway_edge.auth.api_key import ApiKey
from gateway_edge.door.door import Door
from gateway_edge.door.listener import HttpListener
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.door.running import RunningCalls
from gateway_edge.door.ways import Ways
from gateway_edge.middleware.base import Pipeline
from gateway_edge.middleware.identify import Identify
from gateway_edge.middleware.know_caller import KnowCaller
from gateway_edge.middleware.refuse_path import RefusePath
from gateway_edge.policy import Policy
from gateway_edge.protection.connection_bounds import ConnectionBounds, raise_descriptor_limit
from gateway_edge.repeats.repeats import Means, Repeats
from gateway_edge.settings import Listening
from gateway_edge.websocket.application import Socket
from gateway_edge.websocket.door import SocketDoor
from gateway_edge.websocket.place import Place, lay_places
from gateway_edge.websocket.sockets import OpenSockets

KEY, OTHER = "acme-key-0123456789", "other-key-0123456789"
PATH = "/socket/websocket"
TENANTS = [
    {"name": "acme", "keys": [{"name": "ci", "secret": KEY}]},
    {"name": "other", "keys": [{"name": "ci", "secret": OTHER, "scopes": {"endpoints": ["/v1/models"]}}]},
]


class Quiet:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, _level: str) -> Any:
        return lambda event, **fields: self.lines.append((event, fields))


@dataclass
class Echo:
    """Sends back what it is sent, and remembers what happened to it."""

    socket: Socket
    received_messages: list[str | bytes] = field(default_factory=list)
    end: tuple[int, str] | None = None
    is_draining: bool = False
    is_busy: bool = False
    keeps: bool = True

    def received(self, message: str | bytes) -> None:
        if message == "crash":
            raise ZeroDivisionError
        if self.keeps:
            self.received_messages.append(message)
        if isinstance(message, str):
            self.socket.send(message.encode())
        else:
            self.socket.send_binary(message)

    def drain(self) -> bool:
        self.is_draining = True
        return self.is_busy

    def closed(self, code: int, reason: str) -> None:
        assert self.end is None, "closed is the last call, and the only one"
        self.end = (code, reason)


class Stage:
    """A listening edge without services. `opened` are the applications, in the order in which their sockets were opened."""

    def __init__(self, config: dict[str, Any], open_application: Any = Echo, **place: Any) -> None:
        self.log, self.metrics, self.opened = Quiet(), Metrics(), []
        self.policy = Policy.of(
            Snapshot(
                "v1",
                parse_settings(
                    json.dumps({"tenants": TENANTS} | {name: part for name, part in config.items() if name != "port"})
                ),
            ),
            0.0,
        )
        self._open = open_application
        clock, tracing = SystemClock(), Tracing("edge")
        running = RunningCalls(clock=clock, tracing=tracing, metrics=EdgeMetrics(self.metrics), log=self.log)
        repeats = Repeats(
            Means(
                near=None,
                leases=None,
                spool=None,
                uses=None,
                metrics=EdgeMetrics(Metrics()),
                clock=clock,
                new_id=new_call_id,
                tracing=tracing,
                log=self.log,
            )
        )
        door = Door(lambda: self.ways, running, running, repeats, clock=clock, new_id=new_call_id, tracing=tracing)
        self.sockets = OpenSockets(self.metrics, self.log)
        places = lay_places(
            Place(path=PATH, open=self._note, subprotocols=("phoenix",), **place),
            Place(path="/v1/responses", open=self._note, answers_http=True, is_probed=True),
        )
        self.door = SocketDoor(places, door, lambda: self.ways, running, self.sockets)
        self.bounds = ConnectionBounds(
            lambda: self.policy.settings.edge.protection,
            lambda: self.policy.proxies,
            self.metrics,
            raise_descriptor_limit(),
        )

    @property
    def ways(self) -> Ways:
        identify = Identify([ApiKey(self.policy.authority)], self.policy.authority.anonymous)
        refusal = {("*", "*"): Pipeline([RefusePath()])}
        return Ways(self.policy, refusal, Pipeline([]), handshake=Pipeline([identify, KnowCaller()]))

    def reload(self, config: dict[str, Any], version: str = "v2") -> None:
        self.policy = Policy.of(Snapshot(version, parse_settings(json.dumps(config))), 0.0)
        self.sockets.revoke(self.policy)

    def measure(self, start: str) -> dict[str, float]:
        """The metrics whose lines begin so."""
        lines = self.metrics.exposition().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start)}

    def _note(self, socket: Socket) -> Any:
        application = self._open(socket)
        self.opened.append(application)
        return application

    @asynccontextmanager
    async def listening(self, *, alone: bool = False, port: int = 0, sweep: float | None = None) -> AsyncIterator[int]:
        """Serves, and gives the port."""
        place = Listening(host="127.0.0.1", port=port, tls=None, socket=None)
        handle = self.door.handle_alone if alone else self.door.handle
        listener = HttpListener(handle, place, self.bounds, **({} if sweep is None else {"sweep": sweep}))
        async with listener:
            yield listener.port


async def until(condition: Any, patience: float = 10.0) -> None:
    """Waits for something to be so."""
    async with asyncio.timeout(patience):
        while not condition():
            await asyncio.sleep(0.005)


async def serve(config: dict[str, Any]) -> None:
    """Until the process is ended, or its stdin is: nobody is left who would ask."""
    stage = Stage(config, lambda socket: Echo(socket, keeps=False))
    async with stage.listening(port=config.get("port", 0)) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    import uvloop

    given = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    uvloop.run(serve(given))
