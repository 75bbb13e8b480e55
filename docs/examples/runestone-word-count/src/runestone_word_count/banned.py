"""Refuses questions in which a word stands that is not wanted."""

from msgspec import Struct

from gateway_edge.plugin import Call, Proceed, Reason, RunestoneError


class BannedWords:
    """400 with the code `banned_word`, before anything is asked."""

    class Options(Struct, frozen=True):
        words: list[str]

    def __init__(self, options: Options) -> None:
        self._banned = {word.lower() for word in options.words}

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        asked = str({name: value for name, value in call.asked.document.items() if name != "model"}).lower()
        if found := [word for word in self._banned if word in asked]:
            raise RunestoneError(Reason.INVALID_REQUEST, f"{found[0]!r} is not asked here", code="banned_word")
        await proceed(call)
