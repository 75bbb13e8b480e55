"""For which models one key is left alone, and until when. Pure: times are given.

Makers count by key and model: a model whose quota is used up says nothing of the others of the same key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

LONGEST_HINTED = 60.0  # seconds; a provider that says more is asked again, carefully
SHORTEST, LONGEST = 0.5, 30.0  # seconds, of a pause without a hint
MOST = 256  # models; their names may be a client's


@dataclass(slots=True)
class Pause:
    """`until` when, and since when it is known. `seconds` is how long the next one without a hint is."""

    until: float = -inf
    since: float = -inf
    seconds: float = SHORTEST


class Pauses:
    """One key's, by model. All times are seconds of one monotonic clock. What is over is remembered until the model answers, for the next
    pause is longer then."""

    __slots__ = ("_by_model",)

    def __init__(self) -> None:
        self._by_model: dict[str, Pause] = {}

    def left(self, model: str, now: float) -> float:
        """Seconds until the key may be asked for `model`; 0 when it may."""
        pause = self._by_model.get(model)
        return 0.0 if pause is None else max(0.0, pause.until - now)

    def note_refusal(self, model: str, hint: float | None, begun: float, now: float) -> bool:
        """A call that began at `begun` was refused; the provider says to come back after `hint` seconds. Whether a pause begins with it."""
        pause = self._by_model.get(model) or self._remember(model)
        was_over = pause.until <= now
        if hint:
            pause.until = max(pause.until, now + min(hint, LONGEST_HINTED))
        elif begun > pause.since:
            pause.until = max(pause.until, now + pause.seconds)
            pause.seconds = min(pause.seconds * 2, LONGEST)
        if begun > pause.since:
            pause.since = now
        return was_over and pause.until > now

    def note_answer(self, model: str, begun: float) -> None:
        """A call that began at `begun` is being answered: after a pause that it came after, all is well."""
        pause = self._by_model.get(model)
        if pause is not None and begun > pause.since:
            del self._by_model[model]

    def list_left(self, now: float) -> Iterator[float]:
        """Seconds that are left of each pause."""
        return (pause.until - now for pause in self._by_model.values() if pause.until > now)

    def _remember(self, model: str) -> Pause:
        if len(self._by_model) >= MOST:
            del self._by_model[min(self._by_model, key=lambda name: self._by_model[name].until)]
        pause = self._by_model[model] = Pause()
        return pause

    def __len__(self) -> int:
        return len(self._by_model)
