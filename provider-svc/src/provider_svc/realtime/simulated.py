"""A realtime session without a provider: it answers texts, so that everything around can be tried."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from chassis.config.providers import Simulation
from provider_svc.simulated.words import compose

WAITING = 64  # events that wait to be read; then whoever speaks waits
ANSWERED = {"session.update": "session.updated", "conversation.item.create": "conversation.item.added"}
SILENT = frozenset({"input_audio_buffer.append", "input_audio_buffer.clear", "input_audio_buffer.commit"})


class SimulatedSocket:
    """Speaks as OpenAI's realtime API does of texts: what is asked is answered with `words`, at the configured pace."""

    def __init__(self, model: str, settings: Simulation) -> None:
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._model = model
        self._settings = settings
        self._numbers = itertools.count(1)
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self._events.put_nowait(self._write({"type": "session.created", "session": {"model": model}}))

    async def __aiter__(self) -> AsyncIterator[str]:
        while self.close_code is None and (event := await self._events.get()) is not None:
            yield event.decode()

    async def send(self, message: str | bytes) -> None:
        """Answers one of the client's events."""
        for event in self._answer(_read(message)):
            if event["type"].endswith(".delta"):
                await asyncio.sleep(self._settings.pace)
            await self._events.put(self._write(event))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Is closed at once, as the peer says."""
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
            if not self._events.full():
                self._events.put_nowait(None)

    def _answer(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        kind = asked.get("type")
        if kind == "response.create":
            yield from self._respond()
        elif kind in ANSWERED:
            yield {"type": ANSWERED[kind], **{name: asked[name] for name in ("session", "item") if name in asked}}
        elif kind not in SILENT:
            error = {"type": "invalid_request_error", "message": f"{kind!r} is not simulated", "code": None}
            yield {"type": "error", "error": error}

    def _respond(self) -> Iterator[dict[str, Any]]:
        response_id = f"resp_{next(self._numbers)}"
        place = {"response_id": response_id, "item_id": f"item_{next(self._numbers)}", "output_index": 0}
        place["content_index"] = 0
        yield {"type": "response.created", "response": {"id": response_id, "status": "in_progress"}}
        words = [f"{word} " for word in compose([], self._settings.words, response_id.encode())]
        for word in words:
            yield {"type": "response.output_text.delta", "delta": word, **place}
        yield {"type": "response.output_text.done", "text": "".join(words), **place}
        usage = {"input_tokens": 8, "output_tokens": len(words), "total_tokens": 8 + len(words)}
        yield {"type": "response.done", "response": {"id": response_id, "status": "completed", "usage": usage}}

    def _write(self, event: dict[str, Any]) -> bytes:
        return orjson.dumps({"event_id": f"event_{next(self._numbers)}", **event})


def _read(message: str | bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else {}
