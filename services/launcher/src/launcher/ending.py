"""When the mesh ends: somebody says stop, or a part cannot be kept."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chassis.hangup import obey_hangup
from launcher.errors import LaunchError

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """What the launcher waits for. The first word counts; a second SIGINT or SIGTERM means hurry."""

    def __init__(self) -> None:
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ask(self) -> None:
        """The mesh is to stop."""
        if not self._end.done():
            self._end.set_result(None)

    def fail(self, error: LaunchError) -> None:
        """The mesh cannot go on; `wait` raises `error`."""
        if not self._end.done():
            self._end.set_exception(error)

    @property
    def is_near(self) -> bool:
        """Whether the word has been given."""
        return self._end.done()

    async def wait(self) -> None:
        """Returns when the mesh is to stop; raises the LaunchError that ended it."""
        await asyncio.shield(self._end)


@contextmanager
def obeying_signals(ending: Ending, hurry: Callable[[], None], look_again: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and SIGINT ask for the end; once that is asked, another one calls `hurry`.

    SIGHUP calls `look_again`: the configuration changed. That of a closed terminal asks for the end and never hurries, for
    both the shell and the kernel tell of it.
    """

    def obey() -> None:
        if ending.is_near:
            hurry()
        ending.ask()

    loop = asyncio.get_running_loop()
    obeyed = {**dict.fromkeys(STOP_SIGNALS, obey), signal.SIGHUP: obey_hangup(ending.ask, look_again)}
    for number, handler in obeyed.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in obeyed:
            loop.remove_signal_handler(number)
