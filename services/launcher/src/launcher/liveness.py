"""When a part hangs: its process is alive and says nothing. Pure: probes' outcomes in, a verdict out."""

from dataclasses import dataclass

from launcher.inspection import PartStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessPolicy:
    """Every part is asked how it is every `every` seconds, and has as long to answer; `misses` probes in a row without an
    answer are a hang: about 10 s of silence."""

    every: float = 10 / 3
    misses: int = 3


class Silences:
    """How many probes in a row each process has missed, from when it was ready first: one that still starts may be slow."""

    def __init__(self, policy: LivenessPolicy) -> None:
        self._policy = policy
        self._ready: dict[str, int] = {}
        self._missed: dict[str, int] = {}

    def note(self, status: PartStatus, pid: int | None) -> bool:
        """Takes a probe's outcome; `pid` is the part's process now, None when there is none. Whether that one hangs."""
        part = status.name
        if status.is_ready:
            self._ready[part] = status.pid
        if not status.error or pid is None or self._ready.get(part) != pid:
            self._missed[part] = 0
            return False
        self._missed[part] += 1
        return self._missed[part] >= self._policy.misses

    def __repr__(self) -> str:
        return f"Silences({ {part: missed for part, missed in self._missed.items() if missed} })"
