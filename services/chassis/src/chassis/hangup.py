"""What SIGHUP means: the terminal is gone, or, without one, the configuration changed."""

import os
import signal
from collections.abc import Callable


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that is not closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def obey_hangup(
    stop: Callable[[], None], look_again: Callable[[], None], has_terminal: Callable[[], bool] = has_terminal
) -> Callable[[], None]:
    """The handler of SIGHUP. It stops a process whose terminal is gone: nobody could stop it or read what it says.

    A process that never had a terminal, that has it still, or that `nohup` started looks at its configuration instead.
    """
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN or not has_terminal()

    def obey() -> None:
        if outlives_terminal or has_terminal():
            look_again()
        else:
            stop()

    return obey
