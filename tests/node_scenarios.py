"""Scenarios of JavaScript clients: a file that is run with an address, a key and a scenario's name, and asks the test for what it cannot do."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

PATIENCE = 50.0


def list_scenarios(file: Path) -> list[str]:
    """The scenarios that stand in a file: its first level of members."""
    return re.findall(r"^  async (\w+)\(\)\{", file.read_text(), re.MULTILINE)


async def play(file: Path, url: str, key: str, scenario: str, do: Callable[[str], None] | None = None) -> None:
    """Runs a scenario of a file, and does what it asks for. Raises AssertionError with all that it said when it fails."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "node", str(file), url, key, scenario, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    assert process.stdin is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(PATIENCE):
            async for raw in process.stdout:
                said.append(raw.decode().rstrip())
                if said[-1].startswith("cue ") and do is not None:
                    await asyncio.to_thread(do, said[-1].removeprefix("cue "))
                    process.stdin.write(b"done\n")
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process.stdin.close()
    assert (code, said[-1:]) == (0, [f"passed {scenario}"]), "\n".join(said)
