"""A provider's realtime socket: how it is opened, and what its refusals mean."""

import random
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from typing import Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from chassis.config.presets import find_address
from chassis.config.provider_keys import list_keys
from chassis.config.providers import Provider as Configured
from chassis.errors import Reason, RunestoneError
from provider_svc.failures import failure_of_status

LARGEST = 16 << 20  # bytes of one message
AHEAD = 4  # frames that are read before somebody takes them; then the provider's TCP waits
PING = 20.0  # seconds between pings, and that their answers may take
CLOSING = 2.0  # seconds that a provider has to answer a close frame


class Socket(Protocol):
    """An open socket: websockets' own connection, or a simulated one."""

    @property
    def close_code(self) -> int | None:
        """The peer's close code once it is closed; None before."""

    @property
    def close_reason(self) -> str | None:
        """The peer's reason once it is closed."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """What the provider sends, as it comes, until it is closed."""

    async def send(self, message: str | bytes) -> None:
        """Sends a message; waits while the provider does not read. Raises ConnectionClosed."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it; returns when the peer has answered, or has had its time."""


class NoRedirect(websockets_connect):
    """Goes where the operator says, and nowhere else: a redirect would carry the key on."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Leaves it a refusal."""
        return exc


async def open_socket(configured: Configured, model: str, headers: Mapping[str, str]) -> Socket:
    """A socket to `model` at the provider. Raises what its refusal means, PROVIDER_UNREACHABLE, PROVIDER_TIMEOUT."""
    uri = write_uri(find_address(configured), model)
    try:
        return await NoRedirect(
            uri,
            additional_headers={**headers, **_authorize(configured)},
            ssl=ssl.create_default_context(cafile=configured.ca or None) if uri.startswith("wss:") else None,
            compression=None,
            proxy=configured.proxy or None,
            open_timeout=configured.timeouts.connect,
            ping_interval=PING,
            ping_timeout=PING,
            close_timeout=CLOSING,
            max_size=LARGEST,
            max_queue=AHEAD,
        )
    except InvalidStatus as error:
        answer = error.response
        raise failure_of_status(
            answer.status_code, dict(answer.headers.raw_items()), bytes(answer.body or b""), time.time()
        ) from error
    except TimeoutError as error:
        message = f"the provider did not open a session within {configured.timeouts.connect:g} s"
        raise RunestoneError(Reason.PROVIDER_TIMEOUT, message) from error
    except (InvalidHandshake, InvalidURI, ConnectionClosed) as error:
        message = "the provider does not speak WebSocket here"
        raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message) from error
    except OSError as error:
        raise RunestoneError(Reason.PROVIDER_UNREACHABLE, "the provider cannot be reached") from error


def write_uri(address: str, model: str) -> str:
    """Where a provider's sessions are, by its base URL: as OpenAI's SDK has it."""
    base = urlsplit(address)
    scheme = {"https": "wss", "http": "ws"}.get(base.scheme, base.scheme)
    return urlunsplit((scheme, base.netloc, f"{base.path.rstrip('/')}/realtime", urlencode({"model": model}), ""))


def _authorize(configured: Configured) -> dict[str, str]:
    """With one of the provider's keys, by their weights."""
    keys = list_keys(configured)
    if not keys:
        return {}
    key = random.choices(keys, [one.weight for one in keys])[0]  # noqa: S311  spreads load, no secrecy
    return {"authorization": f"Bearer {key.key.reveal()}"}


def cut(socket: Socket) -> None:
    """Closes the connection without another word."""
    if isinstance(socket, ClientConnection):
        socket.transport.abort()
