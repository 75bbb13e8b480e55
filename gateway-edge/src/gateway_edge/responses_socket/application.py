"""What is spoken on a Responses socket: turns in, events out, each turn a call of its own through the same pipelines as HTTP's."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from chassis.config.schema import Edge
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Outcome
from gateway_edge.endpoints.stored import RESPONSES
from gateway_edge.messages.calls import MakeReply
from gateway_edge.messages.message import WEBSOCKET, Message
from gateway_edge.responses_socket.envelope import (
    LIMIT_REACHED,
    Steer,
    Turn,
    TurnError,
    read_message,
    write_error,
    write_steer_refusal,
)
from gateway_edge.responses_socket.lanes import Lanes
from gateway_edge.responses_socket.reply import SocketReply
from gateway_edge.websocket.application import Application, Open, Socket
from gateway_edge.websocket.codes import GOING_AWAY, RESTARTING, UNSUPPORTED

LONGEST = 3600.0  # seconds that a connection may last, as OpenAI's

# Headers of the handshake that are no turn's: credentials, which are the session's, and what means one request.
LEFT_OUT = frozenset(
    {
        "authorization",
        "api-key",
        "content-digest",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "idempotency-key",
        "origin",
        "signature",
        "signature-input",
        "x-api-key",
        "x-forwarded-client-cert",
    }
)


class Calls(Protocol):
    """What makes calls of messages."""

    async def run(self, message: Message, make_reply: MakeReply) -> Outcome:
        """Answers one; see `messages.calls`."""


class ResponsesSocket:
    """One client's. It takes no more turns once it `is_retiring`: the process stops, or the connection is an hour old."""

    def __init__(self, socket: Socket, calls: Calls, edge: Edge, longest: float = LONGEST) -> None:
        self._socket = socket
        self._calls = calls
        self._max_depth = edge.protection.max_json_depth
        self._headers = _carry(socket.headers)
        self._lanes = Lanes(
            self._run, edge.websocket.max_streams, self._leave_if_retiring, most_bytes=edge.http.max_body
        )
        self._refusal: RunestoneError | None = None
        self._code = GOING_AWAY
        self._timer = asyncio.get_running_loop().call_later(longest, self._note_age)

    @property
    def is_retiring(self) -> bool:
        """Whether it takes no more turns."""
        return self._refusal is not None

    def received(self, message: str | bytes) -> None:
        """A turn, or input for one that runs, which none takes."""
        if isinstance(message, bytes):
            self._socket.close(UNSUPPORTED, "a Responses socket takes text messages")
            return
        try:
            asked = read_message(message.encode(), self._max_depth)
        except TurnError as refused:
            self._socket.send(write_error(refused.error, refused.lane))
            return
        if isinstance(asked, Steer):
            self._socket.send(write_steer_refusal(asked))
            return
        try:
            if self._refusal is not None:
                raise self._refusal
            self._lanes.put(asked)
        except RunestoneError as error:
            self._socket.send(write_error(error, asked.lane))

    def drain(self) -> bool:
        """The process stops: turns that run may end; then it closes with 1012, and the SDK comes back elsewhere."""
        error = RunestoneError(Reason.UNAVAILABLE, "the gateway is stopping; connect again", retry_after=1.0)
        self._retire(error, RESTARTING)
        return True

    def closed(self, code: int, reason: str) -> None:  # noqa: ARG002  an application's signature
        """Turns that run are cancelled down to the provider's socket."""
        self._timer.cancel()
        self._lanes.end()

    async def _run(self, turn: Turn) -> None:
        message = Message(
            session=self._socket.session, front=WEBSOCKET, path=RESPONSES, body=turn.body, headers=self._headers
        )
        try:
            await self._calls.run(message, lambda _call_id, _voice: SocketReply(self._socket, turn.lane))
        except RunestoneError as error:  # there was no call
            self._socket.send(write_error(error, turn.lane))
        except ConnectionError:
            return  # the socket says so itself

    def _note_age(self) -> None:
        error = RunestoneError(
            Reason.INVALID_REQUEST,
            "the connection has reached its limit of 60 minutes; open a new one to continue",
            code=LIMIT_REACHED,
        )
        self._socket.send(write_error(error, None))
        self._retire(error, GOING_AWAY)

    def _retire(self, refusal: RunestoneError, code: int) -> None:
        self._refusal, self._code = refusal, code
        self._leave_if_retiring()

    def _leave_if_retiring(self) -> None:
        if self.is_retiring and self._lanes.is_empty:
            self._socket.close(self._code, "" if self._refusal is None else self._refusal.message)

    def __repr__(self) -> str:
        return f"ResponsesSocket({self._lanes!r}{', retiring' if self.is_retiring else ''})"


def _carry(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in LEFT_OUT}


def open_responses(calls: Calls, edge: Callable[[], Edge]) -> Open:
    """Opens Responses sockets under the settings in force."""

    def open_socket(socket: Socket) -> Application:
        return ResponsesSocket(socket, calls, edge())

    return open_socket
