"""When to come back, and whether: what a lost connection means. Pure; chance is handed in."""

from collections.abc import Callable
from dataclasses import dataclass

# Going away, gone, no reason given, failed, restarts, try again: the same that OpenAI's SDK comes back from (RFC 6455, section 7.4).
COMES_BACK = frozenset({1001, 1005, 1006, 1011, 1012, 1013})
TOO_MANY, SERVER_ERROR = 429, 500


def may_reconnect(code: int | None) -> bool:
    """Whether a connection that was closed with `code` may be opened anew; None: it broke."""
    return code is None or code in COMES_BACK


def may_dial_again(status: int) -> bool:
    """Whether a handshake that was answered with `status` may be tried again: 429 and 5xx may, other refusals stay what they are."""
    return status == TOO_MANY or status >= SERVER_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Full jitter: the n-th pause is anything up to `shortest * 2**n` seconds, at most `longest`; never less than what the server asked
    for. (Marc Brooker, "Exponential Backoff and Jitter".)"""

    shortest: float = 0.1
    longest: float = 10.0

    def pause(self, attempt: int, uniform: Callable[[float, float], float], at_least: float | None = None) -> float:
        """Seconds before attempt number `attempt`, counted from 0."""
        most = min(self.longest, self.shortest * 2.0 ** min(attempt, 32))
        pause = uniform(0.0, most)
        return pause if at_least is None else at_least + pause
