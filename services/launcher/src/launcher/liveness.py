"""When a part hangs: its process is alive and says nothing. Pure: probes' outcomes in, a verdict out."""

from dataclasses import dataclass

from launcher.inspection import PartStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessPolicy:
    """Every part is asked how it is every `every` seconds, and has as long to answer; `misses` probes in a row without an
    answer are a hang: about 10 s of silence. One that was not ready yet may be slow: it has `starting_misses`, a minute."""

    every: float = 10 / 3
    misses: int = 3
    starting_misses: int = 18


class Silences:
    """How many probes in a row each process has missed."""

    def __init__(self, policy: LivenessPolicy) -> None:
        self._policy = policy
        self._ready: dict[str, int] = {}
        self._missed: dict[str, tuple[int | None, int]] = {}

    def note(self, status: PartStatus, pid: int | None) -> bool:
        """Takes a probe's outcome; `pid` is the part's process now, None when there is none. Whether that one hangs."""
        part = status.name
        if status.is_ready:
            self._ready[part] = status.pid
        before, missed = self._missed.get(part, (pid, 0))
        missed = missed + 1 if status.error and pid is not None and pid == before else int(bool(status.error and pid))
        self._missed[part] = pid, missed
        was_ready = self._ready.get(part) == pid
        return missed >= (self._policy.misses if was_ready else self._policy.starting_misses)

    def __repr__(self) -> str:
        return f"Silences({ {part: missed for part, (_, missed) in self._missed.items() if missed} })"
