"""What the user sees of a starting mesh: a live table on a terminal, plain lines elsewhere. Never a key."""

import asyncio
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from launcher.inspection import STARTING, PartStatus
from launcher.meshfile import HttpAddress, MeshFile

Look = Callable[[], Awaitable[Sequence[PartStatus]]]

PAUSE = 0.1  # seconds between two looks
SILENCE = 5.0  # seconds after which it is said what the start waits for


class Board:
    """Shows how the parts come up, then where the mesh listens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def wait_until_ready(self, look: Look) -> None:
        """Returns when every part is ready, having shown the way there. Waits as long as it takes: cancel ends it."""
        if self._console.is_terminal:
            await self._wait_with_table(look)
        else:
            await self._wait_with_lines(look)

    def say(self, line: str) -> None:
        """One line, as it is: not wrapped, so that it can be copied."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    async def _wait_with_table(self, look: Look) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            statuses = await look()
            while not all_ready(statuses):
                live.update(draw_parts(statuses), refresh=True)
                await asyncio.sleep(PAUSE)
                statuses = await look()
        self._console.print(draw_parts(statuses))

    async def _wait_with_lines(self, look: Look) -> None:
        said, changed_at = set(), time.monotonic()
        while True:
            statuses = await look()
            for status in statuses:
                if status.is_ready and status.name not in said:
                    said.add(status.name)
                    changed_at = time.monotonic()
                    self.say(f"{status.name} is ready ({f'pid {status.pid}, ' if status.pid else ''}{status.address})")
            if all_ready(statuses):
                return
            if time.monotonic() - changed_at > SILENCE:
                changed_at = time.monotonic()
                self.say(f"still waiting for {list_trouble(statuses)}")
            await asyncio.sleep(PAUSE)


def all_ready(statuses: Sequence[PartStatus]) -> bool:
    """Whether the mesh as a whole is ready."""
    return all(status.is_ready for status in statuses)


def list_trouble(statuses: Sequence[PartStatus]) -> str:
    """The parts that are not ready and why: `cache: store (refused); edge-0: does not answer`."""
    return "; ".join(f"{status.name}: {status.trouble}" for status in statuses if not status.is_ready)


def draw_parts(statuses: Sequence[PartStatus]) -> Table:
    """The parts as a table."""
    table = Table("part", "pid", "state", "address", box=None, header_style="dim", pad_edge=False)
    for status in statuses:
        table.add_row(status.name, str(status.pid or ""), _draw_state(status), f"[dim]{status.address}[/]")
    return table


def _draw_state(status: PartStatus) -> str:
    if status.is_ready:
        return "[green]ready[/]"
    return f"[yellow]{STARTING}[/]" if status.error == STARTING else f"[yellow]waiting[/] [dim]{status.trouble}[/]"


def describe_mesh(mesh: MeshFile, key_file: Path | None) -> list[str]:
    """Where the mesh listens and a call to paste; the key is read from its file, it does not stand here."""
    return [
        f"listening on {mesh.http.url} (health and metrics on {mesh.admin.url})",
        *([f"WebSockets on {mesh.websocket.url}"] if mesh.websocket else []),
        *([f"gRPC for other services on {mesh.grpc.target}"] if mesh.grpc else []),
        "try it:",
        f"  {write_curl(mesh.http, mesh.model, key_file)}",
    ]


def write_curl(http: HttpAddress, model: str, key_file: Path | None) -> str:
    """One call with curl; without a key file the caller's own key is taken from $RUNESTONE_API_KEY."""
    key = f"$(cat {shlex.quote(str(key_file))})" if key_file else "$RUNESTONE_API_KEY"
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    headers = f"-H \"Authorization: Bearer {key}\" -H 'Content-Type: application/json'"
    return f"curl {http.url}/v1/chat/completions {headers} -d '{body}'"
