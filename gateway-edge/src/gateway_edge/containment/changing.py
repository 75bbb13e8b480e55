"""Seeing and changing an answer on its way to the client, without holding it back."""

from collections.abc import Callable

from gateway_edge.call import Call
from gateway_edge.reply import PassingReply, Reply


def change_answer(call: Call, change: Callable[[bytes], bytes]) -> None:
    """From now on `change` is given what is sent, and what it returns is sent in its place: the whole document of a unary
    answer, or whole SSE events as they come, one or several at a time. What it returns for events must be whole events;
    nothing (b"") drops them. What is neither (sound, plain text) passes as it is. Raising, or returning what is no bytes, fails the call or passes the rest on unchanged, as
    `on_error` says."""
    call.reply = _ChangingReply(call.reply, change)


def watch_answer(call: Call, watch: Callable[[bytes], None]) -> None:
    """From now on `watch` is given what is sent, as `change_answer` has it, and nothing is changed."""

    def pass_on(data: bytes) -> bytes:
        watch(data)
        return data

    change_answer(call, pass_on)


class _ChangingReply(PassingReply):
    def __init__(self, inner: Reply, change: Callable[[bytes], bytes]) -> None:
        super().__init__(inner)
        self._change = change
        self._is_passed = False  # what follows is no events

    async def send(self, body: bytes, content_type: str = "application/json", status: int = 200) -> None:
        await self.inner.send(self._changed(body), content_type, status)

    async def begin(self, content_type: str) -> None:
        self._is_passed = True
        await self.inner.begin(content_type)

    async def write(self, events: bytes) -> None:
        if changed := events if self._is_passed else self._changed(events):
            await self.inner.write(changed)

    def _changed(self, data: bytes) -> bytes:
        changed = self._change(data)
        if not isinstance(changed, bytes):
            raise TypeError(f"what changes an answer must return bytes, not {type(changed).__name__}")
        return changed
