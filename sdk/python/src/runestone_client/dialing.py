"""Opens connections with the library `websockets`, and says in our words what becomes of them."""

import json
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from runestone_client.address import read_address
from runestone_client.backoff import may_dial_again
from runestone_client.errors import ConnectionLostError, GatewayError, InvalidRequestError, RunestoneError, make_error
from runestone_client.settings import Settings

T = TypeVar("T")
# A value, or what gives it when a connection is opened: keys and addresses change while a client lives.
Given: TypeAlias = T | Callable[[], T] | Callable[[], Awaitable[T]]
BROKEN = 1006


class WireClosedError(Exception):
    """A connection is over. `code` is WebSocket's (RFC 6455, section 7.4)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}" + (f": {reason}" if reason else ""))
        self.code = code


class DialError(Exception):
    """There is no connection. `error` says why; it is worth another try when it `is_passing`, not before `retry_after` seconds."""

    def __init__(self, error: RunestoneError, *, is_passing: bool, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.is_passing, self.retry_after = error, is_passing, retry_after


class Wire(Protocol):
    """An open connection. `send` and `receive` raise WireClosedError."""

    async def send(self, message: str) -> None:
        """Returns when it is on its way, which may be a while."""

    async def receive(self) -> str | bytes:
        """The next message."""

    async def close(self, code: int = 1000) -> None:
        """Says good-bye, and waits for its answer for a while."""


class Dial(Protocol):
    """Opens a connection. Raises DialError."""

    async def __call__(self) -> Wire:
        """An open one."""


class _Connect(connect):
    """Follows no redirect: the key is for the gateway that was named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """What was answered."""
        return exc


class WebSocketDial:
    """Dials `url` with `api_key`, asking for both anew each time."""

    def __init__(self, url: Given[str], api_key: Given[str], settings: Settings) -> None:
        self._url, self._api_key, self._settings = url, api_key, settings

    async def __call__(self) -> Wire:
        """What cannot say where to go, or as whom, may be able to in a moment."""
        address, key = await self._read_given()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            return WebSocketWire(await self._connect(address, headers))
        except InvalidStatus as error:
            raise _read_answer(error.response) from error
        except (InvalidHandshake, EOFError) as error:
            raise DialError(ConnectionLostError(f"no WebSocket: {error}"), is_passing=True) from error
        except OSError as error:  # TimeoutError is one
            said = str(error) or type(error).__name__
            raise DialError(ConnectionLostError(f"no connection: {said}"), is_passing=True) from error

    async def _read_given(self) -> tuple[str, str]:
        try:
            url, key = await _ask(self._url), await _ask(self._api_key)
        except Exception as error:  # the border of the user's own code
            raise DialError(ConnectionLostError(f"no address, or no key: {error}"), is_passing=True) from error
        try:
            return read_address(url), key.strip()
        except ValueError as error:
            raise DialError(InvalidRequestError(str(error)), is_passing=False) from error

    async def _connect(self, address: str, headers: dict[str, str]) -> ClientConnection:
        return await _Connect(
            address,
            additional_headers=headers,
            open_timeout=self._settings.open_timeout,
            close_timeout=self._settings.close_timeout,
            max_size=self._settings.max_message_bytes,
            compression=None,
            ping_interval=None,  # the protocol has heartbeats of its own
        )


class WebSocketWire:
    """A `Wire` over the library's connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: str) -> None:
        """As a text."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise self._explain() from error

    async def receive(self) -> str | bytes:
        """Text or bytes."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise self._explain() from error

    async def close(self, code: int = 1000) -> None:
        """Does nothing where it is closed."""
        await self._connection.close(code)

    def _explain(self) -> WireClosedError:
        return WireClosedError(self._connection.close_code or BROKEN, self._connection.close_reason or "")


async def _ask(given: Given[str]) -> str:
    if isinstance(given, str):
        return given
    value = given()
    return await value if isawaitable(value) else value


def _read_answer(response: Response) -> DialError:
    """What a handshake was answered instead."""
    status, error = response.status_code, _read_error(response)
    return DialError(error, is_passing=may_dial_again(status), retry_after=error.retry_after)


def _read_error(response: Response) -> GatewayError:
    try:
        said: Any = json.loads(response.body or b"{}")["error"]
        facts = {"kind": str(said.get("type") or ""), "code": said.get("code"), "param": said.get("param")}
        message = str(said["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        facts, message = {}, f"the gateway answered {response.status_code} {response.reason_phrase}"
    return make_error(message, response.status_code, retry_after=_read_pause(response), **facts)


def _read_pause(response: Response) -> float | None:
    """In seconds; a date is none of ours, and a client comes back at its own pace."""
    try:
        return float(response.headers["retry-after-ms"]) / 1000
    except (KeyError, ValueError, LookupError):
        try:
            return float(response.headers["retry-after"])
        except (KeyError, ValueError, LookupError):
            return None
