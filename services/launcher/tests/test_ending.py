import asyncio
import os
import signal

import pytest

from launcher.ending import Ending, obeying_signals
from launcher.errors import LaunchError


async def deliver(number: signal.Signals) -> None:
    """Sends a signal to this process and lets the loop handle it."""
    handled = asyncio.Event()
    os.kill(os.getpid(), number)
    asyncio.get_running_loop().call_later(0.01, handled.set)
    await handled.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_and_the_second_hurries(number):
    ending, hurried = Ending(), []
    with obeying_signals(ending, lambda: hurried.append(True)):
        await deliver(number)
        assert (ending.is_near, hurried) == (True, [])
        await deliver(number)
        assert hurried == [True]
    await ending.wait()


async def test_a_closed_terminal_asks_and_never_hurries():
    """The shell tells, and then the kernel does."""
    ending, hurried = Ending(), []
    with obeying_signals(ending, lambda: hurried.append(True)):
        await deliver(signal.SIGHUP)
        await deliver(signal.SIGHUP)
        assert (ending.is_near, hurried) == (True, [])


async def test_under_nohup_the_end_of_the_terminal_is_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ending = Ending()
        with obeying_signals(ending, lambda: None):
            await deliver(signal.SIGHUP)
        assert not ending.is_near
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_the_first_word_counts():
    lost, asked = Ending(), Ending()
    lost.fail(LaunchError("a part is lost"))
    lost.ask()
    asked.ask()
    asked.fail(LaunchError("too late"))
    with pytest.raises(LaunchError, match="a part is lost"):
        await lost.wait()
    await asked.wait()
