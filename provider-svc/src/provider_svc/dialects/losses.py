"""What of a request the target's dialect has no word for: told of, or refused. Never passed over in silence."""

from chassis.errors import Reason, RunestoneError

MOST = 32  # paths that are told of
LONGEST = 120  # characters of one


class Losses:
    """Gathers what one translation leaves out. Where the route `is_strict` a loss that may change the answer is refused; hints, which
    may not, are left out and told of."""

    def __init__(self, *, is_strict: bool) -> None:
        self._is_strict = is_strict
        self._lost: dict[str, None] = {}
        self._hints: dict[str, None] = {}

    @property
    def paths(self) -> tuple[str, ...]:
        """What was left out, each once, in the order in which it was met; hints come last, so that they never crowd out a loss."""
        return tuple({**self._lost, **self._hints})[:MOST]

    def drop(self, path: str) -> None:
        """Leaves out a hint: what makes an answer cheaper, faster or labelled, not another."""
        _note(self._hints, path)

    def lose(self, path: str, why: str) -> None:
        """Leaves out what may change the answer. Raises INVALID_REQUEST with `path` where the route is strict; `why` says what the
        target has not, and what to do."""
        if self._is_strict:
            raise refusal(path, f"{path}: {why}")
        _note(self._lost, path)


def _note(paths: dict[str, None], path: str) -> None:
    if len(paths) < MOST:
        paths[path[:LONGEST]] = None


def refusal(path: str, message: str) -> RunestoneError:
    """INVALID_REQUEST that names the member at fault: for what is malformed, or cannot be left out because nothing sensible would
    remain."""
    return RunestoneError(Reason.INVALID_REQUEST, message, param=path)
