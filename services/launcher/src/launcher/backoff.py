"""When a dead child is started again, and when to stop trying. Pure: times in, a pause out."""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """The first restart comes after `first` seconds, each further one after twice as long, up to `ceiling`.

    A child that lived for `healthy_after` seconds begins anew; more than `most` deaths within `window` seconds are a
    crash loop.
    """

    first: float = 0.05
    ceiling: float = 5.0
    healthy_after: float = 30.0
    most: int = 10
    window: float = 60.0


class Restarts:
    """One child's deaths."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._streak = 0
        self._deaths: deque[float] = deque()
        self.count = 0

    def pause_after(self, *, started: float, ended: float) -> float | None:
        """Seconds until the next start of a child that lived from `started` to `ended`; None when it is a crash loop."""
        policy = self._policy
        if ended - started >= policy.healthy_after:
            self._streak = 0
        while self._deaths and self._deaths[0] <= ended - policy.window:
            self._deaths.popleft()
        if len(self._deaths) >= policy.most:
            return None
        self._deaths.append(ended)
        self._streak += 1
        self.count += 1
        return float(min(policy.first * 2 ** (self._streak - 1), policy.ceiling))

    def __repr__(self) -> str:
        return f"Restarts({self.count} in all, {len(self._deaths)} of late)"
