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
    with obeying_signals(ending, lambda: hurried.append(True), lambda: None):
        await deliver(number)
        assert (ending.is_near, hurried) == (True, [])
        await deliver(number)
        assert hurried == [True]
    await ending.wait()


async def test_a_hangup_asks_for_a_look_at_the_configuration_and_for_no_end():
    """What else it may mean, `chassis.hangup` decides."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ending, looked = Ending(), []
        with obeying_signals(ending, lambda: None, lambda: looked.append(True)):
            await deliver(signal.SIGHUP)
            await deliver(signal.SIGHUP)
        assert (ending.is_near, looked) == (False, [True, True])
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
