"""How a reload ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chassis.config import Problem


class Outcome(StrEnum):
    """One word for logs, metrics and answers."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    INVALID = "invalid"
    RESTART_NEEDED = "restart_needed"
    REFUSED = "refused"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """The version in force, whether it is a new one, and the version that each part has."""

    version: str
    is_changed: bool
    parts: Mapping[str, str]


class ReloadError(Exception):
    """A reload that did not come to its end. `problems` are the file's, or what needs a restart; `parts` says of each part
    that is to blame why. Nothing has changed, but for INCOMPLETE with `is_in_force`: the late parts follow when they can."""

    def __init__(
        self,
        outcome: Outcome,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        parts: Mapping[str, str] | None = None,
        is_in_force: bool = False,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message
        self.problems = problems
        self.parts = parts or {}
        self.is_in_force = is_in_force

    @property
    def lines(self) -> list[str]:
        """Everything that an operator is to read, a line each."""
        problems = (problem.tell(problem.file) if problem.file else str(problem) for problem in self.problems)
        return [self.message, *problems, *(f"{part}: {why}" for part, why in self.parts.items())]
