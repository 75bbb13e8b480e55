"""For which models one key is left alone, and until when. Pure: times are given.

Makers count by key and model: a model whose quota is used up says nothing of the others of the same key.
"""

from collections.abc import Iterator

from provider_svc.health.pressure import Pressure

MOST = 256  # models; their names may be a client's


class Pauses:
    """One key's, by model. All times are seconds of one monotonic clock. What is over is remembered until the model answers, for the next
    pause is longer then."""

    __slots__ = ("_by_model",)

    def __init__(self) -> None:
        self._by_model: dict[str, Pressure] = {}

    def left(self, model: str, now: float) -> float:
        """Seconds until the key may be asked for `model`; 0 when it may."""
        pause = self._by_model.get(model)
        return 0.0 if pause is None else max(0.0, pause.until - now)

    def note_refusal(self, model: str, hint: float | None, begun: float, now: float) -> bool:
        """A call that began at `begun` was refused; the provider says to come back after `hint` seconds. Whether a pause begins with it."""
        pause = self._by_model.get(model) or self._remember(model)
        was_over = pause.until <= now
        pause.note_refusal(hint or None, begun, now)
        return was_over and pause.until > now

    def note_answer(self, model: str, begun: float) -> None:
        """A call that began at `begun` is being answered: after a pause that it came after, all is well."""
        pause = self._by_model.get(model)
        if pause is not None and pause.is_behind(begun):
            del self._by_model[model]

    def list_left(self, now: float) -> Iterator[float]:
        """Seconds that are left of each pause."""
        return (pause.until - now for pause in self._by_model.values() if pause.until > now)

    def _remember(self, model: str) -> Pressure:
        if len(self._by_model) >= MOST:
            del self._by_model[min(self._by_model, key=lambda name: self._by_model[name].until)]
        pause = self._by_model[model] = Pressure()
        return pause

    def __len__(self) -> int:
        return len(self._by_model)
