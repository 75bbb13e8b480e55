"""The door for WebSockets: a handshake in, an open socket or an HTTP error out. Every other request goes on to the HTTP door."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from chassis.config.schema import Edge
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.callers.session import Session
from gateway_edge.door.door import Door
from gateway_edge.door.errors import error_body
from gateway_edge.door.reply import HttpReply
from gateway_edge.door.running import RunningCalls
from gateway_edge.door.ways import Way, Ways
from gateway_edge.http1.connection import Connection
from gateway_edge.http1.request import Request
from gateway_edge.http1.response import write_head
from gateway_edge.websocket.handshake import (
    UPGRADE_REQUIRED,
    VERSION,
    VERSION_HEADER,
    Acceptance,
    OtherProtocolError,
    accept,
    is_of_handshake,
    wants_socket,
)
from gateway_edge.websocket.origins import may_connect
from gateway_edge.websocket.place import Place, Places, find_place
from gateway_edge.websocket.presented import move_credentials, read_parameters
from gateway_edge.websocket.socket import WebSocket
from gateway_edge.websocket.sockets import OpenSockets
from gateway_edge.websocket.terms import Terms

LONGEST_HANDSHAKE = 10.0  # seconds


class SocketDoor:
    """Opens WebSockets at `places`, for whoever the credentials say that he is. `handle` serves a port that takes HTTP requests too,
    `handle_alone` one that does not. A handshake is a call that is identified, admitted, counted and logged as any other."""

    def __init__(
        self, places: Places, door: Door, ways: Callable[[], Ways], running: RunningCalls, sockets: OpenSockets
    ) -> None:
        self._places = places
        self._door = door
        self._ways = ways
        self._running = running
        self._sockets = sockets
        self._terms: dict[str, tuple[Edge, Terms]] = {}  # of the snapshots that the last sockets were opened under

    def handle(self, request: Request, connection: Connection) -> Awaitable[None]:
        """Answers one request."""
        if request.method == "GET":
            place = find_place(self._places, request.path)
            if place is not None and (not place.answers_http or wants_socket(request)):
                return self._open(request, connection, place)
        return self._door.handle(request, connection)

    def handle_alone(self, request: Request, connection: Connection) -> Awaitable[None]:
        """Answers one request where nothing but handshakes is expected."""
        place = find_place(self._places, request.path) if request.method == "GET" else None
        return self._open(request, connection, place)

    async def _open(self, request: Request, connection: Connection, place: Place | None) -> None:
        ways = self._ways()
        path = place.path if place else "*"
        call, reply = self._door.open_call(request, connection, Way(path, ways.handshake), ways.policy)
        answering = self._answer(_Handshake(request, connection, place, call, reply), ways) if place else _refuse_path()
        await self._running.run(call, reply, path, "server", answering)
        if call.outcome.error is not None:
            self._sockets.refused.labels(path, call.outcome.error.reason).inc()

    async def _answer(self, shake: "_Handshake", ways: Ways) -> None:
        """What is cheap is checked first, and everything that can be refused before the answer goes."""
        request, call = shake.request, shake.call
        if request.fault is not None:
            raise request.fault
        if self._sockets.is_draining:
            raise RunestoneError(Reason.UNAVAILABLE, "the gateway is stopping", retry_after=1.0)
        _check_origin(request, call)
        try:
            agreed = accept(request, shake.place.subprotocols, may_compress=call.settings.edge.websocket.compression)
        except OtherProtocolError as error:
            await _require_upgrade(shake, error)
            return
        parameters = read_parameters(request.query)
        move_credentials(request.headers, parameters)
        await _identify(call, ways)
        await self._hand_over(shake, agreed, parameters)

    async def _hand_over(self, shake: "_Handshake", agreed: Acceptance, parameters: dict[str, str]) -> None:
        call, place = shake.call, shake.place
        headers = {name: value for name, value in call.arrival.headers.items() if not is_of_handshake(name)}
        socket = WebSocket(
            Session(call.caller, headers, call.arrival.client_address, call.snapshot_version),
            place.path,
            parameters,
            terms=self._find_terms(call.settings.edge, place),
            keeper=self._sockets,
            traffic=self._sockets.traffic(place.path),
            client_address=shake.connection.client_address,
            is_compressed=agreed.is_compressed,
        )
        socket.speak(place.open(socket))
        answer = write_head(101, {**shake.reply.headers, **agreed.headers}, framing="", keeps_alive=True)
        try:
            await shake.connection.write(answer)
            shake.connection.hand_over(socket)
        except BaseException:
            socket.let_go()
            raise
        shake.reply.is_whole = True

    def _find_terms(self, edge: Edge, place: Place) -> Terms:
        """The same for all sockets of a place and a snapshot."""
        known = self._terms.get(place.path)
        if known is None or known[0] is not edge:
            known = self._terms[place.path] = edge, Terms.of(edge, is_probed=place.is_probed, is_paced=place.is_paced)
        return known[1]

    def __repr__(self) -> str:
        return f"SocketDoor({', '.join(self._places)})"


class _Handshake(NamedTuple):
    """What one is made of."""

    request: Request
    connection: Connection
    place: Place
    call: Call
    reply: HttpReply


def _check_origin(request: Request, call: Call) -> None:
    edge = call.settings.edge
    origins = edge.http.cors.origins if edge.websocket.origins is None else edge.websocket.origins
    if not may_connect(request.headers, origins):
        message = "pages of this origin may not open a WebSocket here"
        raise RunestoneError(Reason.PERMISSION_DENIED, message, code="origin_not_allowed")


async def _identify(call: Call, ways: Ways) -> None:
    try:
        async with asyncio.timeout(LONGEST_HANDSHAKE):
            await ways.handshake(call)
    except TimeoutError as error:
        raise RunestoneError(Reason.DEADLINE_EXCEEDED, "the handshake took longer than it may") from error


async def _require_upgrade(shake: _Handshake, error: OtherProtocolError) -> None:
    """Says what is spoken here (RFC 9110, section 15.5.22; RFC 6455, section 4.4)."""
    shake.call.outcome.error = error
    shake.reply.headers |= {"upgrade": "websocket", VERSION_HEADER: VERSION}
    await shake.reply.send(error_body(error), status=UPGRADE_REQUIRED)


async def _refuse_path() -> None:
    raise RunestoneError(Reason.ROUTE_NOT_FOUND, "on this port WebSockets are opened, and nothing else is served")
