"""What others told, each until its time: bounded, those heard longest ago are forgotten. Pure."""

MAX_HEARD = 1_000
SAME = 0.5  # seconds that the end of one hint may seem to differ, as it is heard again and again with what is left of its time

Target = tuple[str, str]  # a provider and its model


class Heard:
    """Until when which target is said to be open."""

    def __init__(self, max_heard: int = MAX_HEARD) -> None:
        self._max_heard = max_heard
        self._until: dict[Target, float] = {}

    def note(self, target: Target, until: float, now: float) -> bool:
        """Whether it is news: nothing is known of the target that holds now and about as long."""
        known = self.find(target, now)
        if known is not None and until <= known + SAME:
            return False
        self._until.pop(target, None)
        if len(self._until) >= self._max_heard:
            del self._until[next(iter(self._until))]
        self._until[target] = until
        return True

    def find(self, target: Target, now: float) -> float | None:
        """Until when it is said to be open; None where that is over, or was never said."""
        until = self._until.get(target)
        if until is None:
            return None
        if until <= now:
            del self._until[target]
            return None
        return until

    def __len__(self) -> int:
        return len(self._until)

    def __repr__(self) -> str:
        return f"Heard({len(self)} of {self._max_heard} targets)"
