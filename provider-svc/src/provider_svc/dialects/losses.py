"""What of a request the target's dialect has no word for: told of, or refused. Never passed over in silence."""

from chassis.errors import Reason, RunestoneError

MOST = 32  # paths that are told of
LONGEST = 120  # characters of one


class Losses:
    """Gathers what one translation leaves out. Where the route `is_strict` a loss that may change the answer is refused; hints, which
    may not, are left out and told of."""

    def __init__(self, *, is_strict: bool) -> None:
        self._is_strict = is_strict
        self._paths: dict[str, None] = {}

    @property
    def paths(self) -> tuple[str, ...]:
        """What was left out, each once, in the order in which it was met."""
        return tuple(self._paths)

    def drop(self, path: str) -> None:
        """Leaves out a hint: what makes an answer cheaper, faster or labelled, not another."""
        if len(self._paths) < MOST:
            self._paths[path[:LONGEST]] = None

    def lose(self, path: str, why: str) -> None:
        """Leaves out what may change the answer. Raises INVALID_REQUEST with `path` where the route is strict; `why` says what the
        target has not, and what to do."""
        if self._is_strict:
            raise refusal(path, f"{path}: {why}")
        self.drop(path)


def refusal(path: str, message: str) -> RunestoneError:
    """INVALID_REQUEST that names the member at fault: for what is malformed, or cannot be left out because nothing sensible would
    remain."""
    return RunestoneError(Reason.INVALID_REQUEST, message, param=path)
