"""The example `sdk/python/examples/chat_room.py` as a newcomer would try it: in two terminals, with the model that needs no key."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from real_mesh import ACME, Mesh, mesh_running

EXAMPLE = Path(__file__).parents[2] / "sdk" / "python" / "examples" / "chat_room.py"
PATIENCE = 30.0


class Terminal:
    """What somebody types, and what they see."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._keyboard, self._output = process.stdin, process.stdout
        self.shown = ""

    def type(self, line: str) -> None:
        self._keyboard.write(f"{line}\n".encode())

    async def until(self, text: str, times: int = 1) -> None:
        """Waits until it was shown so many times."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self.shown.count(text) < times:
                    data = await self._output.read(4096)
                    assert data, f"it ended:\n{self.shown}"
                    self.shown += data.decode()
        except TimeoutError:
            raise AssertionError(f"never {text!r}:\n{self.shown}") from None


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running() as running:
        yield running


@asynccontextmanager
async def chatting(mesh: Mesh, name: str, *options: str) -> AsyncIterator[Terminal]:
    line = [sys.executable, str(EXAMPLE), name, "--url", mesh.url, *options]
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "RUNESTONE_API_KEY": ACME}
    process = await asyncio.create_subprocess_exec(
        *line, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, env=environment
    )
    terminal = Terminal(process)
    try:
        await terminal.until(f"you are {name}")
        yield terminal
        terminal.type("/quit")
        async with asyncio.timeout(PATIENCE):
            await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_two_terminals_share_an_answer_that_either_controls(mesh: Mesh) -> None:
    async with chatting(mesh, "ann") as ann, chatting(mesh, "bob") as bob:
        await ann.until("* bob joined")
        ann.type("hello")
        await bob.until("<ann> hello")
        ann.type("/ask what is new?")
        for terminal in (ann, bob):
            await terminal.until("<ann> asks: what is new?")
            await terminal.until("[sim] You said: what is new?")
        bob.type("/pause")
        await ann.until("* paused by bob")
        bob.type("/who")
        await bob.until("* here: ann, bob")
        ann.type("/resume")
        await bob.until("* resumed by ann")
        bob.type("/cancel")
        for terminal in (ann, bob):
            await terminal.until("* cancelled by bob")
        bob.type("/pause")
        await bob.until("* nothing is running")
    async with chatting(mesh, "cy") as late:
        await late.until("<ann> hello")


async def test_a_wrong_key_and_a_closed_door_are_one_clear_line(mesh: Mesh) -> None:
    for url, key, said in ((mesh.url, "no-such-key-0123456789", "* "), ("http://127.0.0.1:1", ACME, "no connection")):
        line = [sys.executable, str(EXAMPLE), "ann", "--url", url]
        environment = {**os.environ, "RUNESTONE_API_KEY": key}
        process = await asyncio.create_subprocess_exec(
            *line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=environment
        )
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
        assert process.returncode == 1
        assert said in output.decode()
        assert "Traceback" not in output.decode()
