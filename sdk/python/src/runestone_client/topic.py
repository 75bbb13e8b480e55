"""What a session and a room have in common: asking models, and steering what they say."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from runestone_client.channel import Channel
from runestone_client.errors import RunestoneError, UnavailableError
from runestone_client.line import Line
from runestone_client.pushes import Quota
from runestone_client.settings import Settings
from runestone_client.stream import Action, Asking, Stream
from runestone_client.streams import Streams

Request = Mapping[str, Any]
IDEMPOTENCY = "idempotency-key"

# What a gateway says that stops to what it has not begun: the next connection is asked, which what is pushed behind that waits for.
STOPPING = "gateway_stopping"
MOST_STOPS = 3


class Topic:
    """A topic that is joined. `async with` leaves it."""

    def __init__(self, topic: str, line: Line, quota: Quota, settings: Settings) -> None:
        self._settings = settings
        self._channel = Channel(topic, line, self, quota=quota, settings=settings)
        self._streams = Streams(self, settings, self._channel.rejoin)

    @property
    def channel(self) -> Channel:
        """What it speaks through: for events that have no method here."""
        return self._channel

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Those that run."""
        return tuple(self._streams.running.values())

    def stream(
        self,
        request: Request,
        *,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        note: Any = None,
        idempotency_key: str | None = None,
    ) -> Asking:
        """Asks a model, and reads the answer as it comes:

            async for chunk in session.stream({"model": "simulated", "messages": [...]}):
                print(chunk.text, end="")

        `request` is the body that would be posted to `endpoint` (default `/v1/chat/completions`). With an `idempotency_key` it is asked
        again where it is not known whether the connection was lost before or behind that. Raises GatewayError when it is refused."""
        ask = _write_ask(request, endpoint, headers, note, idempotency_key)
        return Asking(lambda: self._begin(ask, is_repeatable=idempotency_key is not None))

    async def message(
        self,
        request: Request,
        *,
        endpoint: str | None = None,
        headers: Mapping[str, str] | None = None,
        note: Any = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The whole answer of a model: the document as over HTTP, with a member `runestone` that says where it comes from; bytes for what is
        no JSON (speech). Raises GatewayError, ConnectionLostError when the connection is lost meanwhile and there is no `idempotency_key`."""
        ask = _write_ask(request, endpoint, headers, note, idempotency_key)
        for _ in range(MOST_STOPS):
            try:
                return await self._ask_whole(ask, timeout, is_repeatable=idempotency_key is not None)
            except UnavailableError as refusal:
                if refusal.code != STOPPING:
                    raise
        return await self._ask_whole(ask, timeout, is_repeatable=idempotency_key is not None)

    async def _ask_whole(self, ask: dict[str, Any], timeout: float | None, *, is_repeatable: bool) -> Any:
        return await self._channel.push(
            "chat:message",
            ask,
            timeout=timeout or self._settings.message_timeout,
            is_repeatable=is_repeatable,
        )

    async def steer(self, stream_id: str, action: Action) -> None:
        """Pauses, resumes or cancels a stream, one's own or another's."""
        await self._channel.push("stream:control", {"stream_id": stream_id, "action": action}, is_repeatable=True)

    async def leave(self) -> None:
        """Leaves on purpose. A session's streams are cancelled; those of a room go on for the others."""
        await self._channel.leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def _begin(self, ask: dict[str, Any], *, is_repeatable: bool) -> Stream:
        response = await self._channel.push(
            "chat:stream",
            ask,
            timeout=self._settings.stream_timeout,
            is_repeatable=is_repeatable,
            heard=self._note_begun,
        )
        return self._streams.open(str(response["stream_id"]))

    def _note_begun(self, response: Any, is_awaited: bool) -> None:
        """Its chunks come at once. When who asked has gone meanwhile, nobody wants it."""
        if is_awaited:
            self._streams.open(str(response["stream_id"]))
        else:
            self._channel.cast("stream:control", {"stream_id": response["stream_id"], "action": "cancel"})

    # What the channel tells.

    def describe_join(self) -> dict[str, Any]:
        """What goes on."""
        resume = self._streams.describe_resume()
        return {"resume": resume} if resume else {}

    def joined(self, response: Any) -> None:
        """There it is."""

    def heard(self, event: str, payload: Any, size: int) -> None:
        """Of streams."""
        self._streams.hear(event, payload, size)

    def ended(self, error: RunestoneError) -> None:
        """So do its streams."""
        self._streams.end(error)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._channel!r}, {len(self.streams)} streams)"


class Session(Topic):
    """A topic of one's own: nobody else hears what is asked here."""


def _write_ask(
    request: Request, endpoint: str | None, headers: Mapping[str, str] | None, note: Any, idempotency_key: str | None
) -> dict[str, Any]:
    said = dict(headers or {})
    if idempotency_key is not None:
        said[IDEMPOTENCY] = idempotency_key
    ask = {"request": dict(request), "endpoint": endpoint, "headers": said or None, "note": note}
    return {name: value for name, value in ask.items() if value is not None}
