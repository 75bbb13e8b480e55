"""What carries one call to a provider and its answer back: an HTTP/1.1 connection, or a stream of an HTTP/2 connection.

`Exchange` and `Answer` know nothing of the difference.
"""

from collections.abc import Callable
from typing import Protocol

Tap = Callable[[bytes], bool]  # takes what of the body has come; whether it takes more now


class Reply(Protocol):
    """An answer as it arrives. `size` counts the bytes of the body that nobody has taken yet."""

    @property
    def status(self) -> int: ...
    @property
    def fields(self) -> dict[bytes, bytes]: ...
    @property
    def size(self) -> int: ...
    @property
    def is_whole(self) -> bool: ...


class Carrier(Protocol):
    """Given out by a `Lender` for one exchange, which is over only with `release`, whatever was raised or cancelled before."""

    @property
    def time(self) -> Callable[[], float]: ...

    async def begin(self, head: bytes, body: bytes, deadline: float) -> Reply:
        """Sends a request, whose head is written as HTTP/1.1 has it; the reply is there once its head is.

        Raises a WireFault, or TimeoutError at the loop time `deadline`.
        """
        ...

    def take(self) -> bytes:
        """What of the body has come; b"" when nothing has. Raises what ended the answer early, behind what came before."""
        ...

    async def wait(self, deadline: float) -> None:
        """Returns when there may be more to take. Raises TimeoutError at the loop time `deadline`, and what `take` does."""
        ...

    async def wait_beside(self, tap: Tap, deadline: float, idle: float, expires: float) -> None:
        """Lets `tap` take what comes in the callback that brings it, until it returns False. Returns then, and when anything
        else may have happened: the body's end, or nothing at all.

        Raises as `wait`, TimeoutError at the loop time `deadline`, which each time that something comes moves `idle` seconds away
        from then, `expires` at the latest.
        """
        ...

    def release(self) -> None:
        """Ends the exchange; an answer that was not read to its end is cancelled at once."""
        ...


class Lender(Protocol):
    """The connections to one provider, bounded."""

    def take_idle(self) -> Carrier | None:
        """A carrier that can be used at once; None when there is none."""
        ...

    async def acquire(self, deadline: float) -> Carrier:
        """A carrier, first come, first served. Raises NotConnected, QueueFull, or ConnectTimeout at the loop time `deadline`."""
        ...

    def warm_up(self) -> None:
        """Begins to open what is to be open ahead of need, and keeps it so."""
        ...

    def drop_idle(self) -> None:
        """Closes what may be stale, as one connection was."""
        ...

    def drop_moved(self) -> None:
        """Closes what leads where the provider is no longer, once it is not in use."""
        ...

    def count_now(self) -> dict[str, int]:
        """How many connections are open, idle and being dialed, and how many calls wait for one."""
        ...

    def close(self) -> None:
        """Closes all connections, those in use as well."""
        ...
