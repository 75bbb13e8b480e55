"""A conversation with a model in the terminal, over the gateway's HTTP port as any client has it."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec
import typer

from launcher.answers import Answer, read_error
from launcher.configuration import find_data_dir
from launcher.defaults import SIMULATED_MODEL
from launcher.errors import LaunchError
from launcher.keyfiles import DEVELOPMENT_KEY, read_key
from launcher.meshfile import find_mesh

KEY_VARIABLE = "RUNESTONE_API_KEY"
LIMITS = aiohttp.ClientTimeout(total=660, sock_connect=5, sock_read=120)
LONGEST_LINE = 4 * 1024 * 1024
INTERRUPTED = 130  # what a shell gives a command that Ctrl-C ended


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to ask, and with which key; the key is not shown. `model` is who answers when nobody is named."""

    url: str
    key: str
    model: str = SIMULATED_MODEL

    def __repr__(self) -> str:
        return f"Gateway({self.url})"


def find_gateway(data_dir: Path | None, key_file: Path | None = None) -> Gateway:
    """The running mesh and a key for it: the one in `key_file`, the environment's, or the development key. Raises LaunchError
    when there is no mesh, or no key."""
    where = find_data_dir(data_dir)
    mesh = find_mesh(where)
    if key_file is not None:
        return Gateway(mesh.http.url, read_key(key_file), mesh.model)
    if key := os.environ.get(KEY_VARIABLE):
        return Gateway(mesh.http.url, key, mesh.model)
    if not (where / DEVELOPMENT_KEY).is_file():
        raise LaunchError(f"set {KEY_VARIABLE}: the mesh has tenants of its own, so there is no development key")
    return Gateway(mesh.http.url, read_key(where / DEVELOPMENT_KEY), mesh.model)


class Talk:
    """Questions and answers; what was answered completely is context for what comes next."""

    def __init__(self, gateway: Gateway, model: str | None, *, as_json: bool) -> None:
        self._gateway = gateway
        self._model = model or gateway.model
        self._as_json = as_json
        self._messages: list[dict[str, str]] = []

    def ask_once(self, message: str) -> int:
        """One question; the process's exit code. Raises LaunchError when there is no whole answer."""
        try:
            self._ask(message)
        except KeyboardInterrupt:
            typer.echo("cancelled", err=True)
            return INTERRUPTED
        return 0

    def converse(self) -> None:
        """Questions from the terminal until Ctrl-D. A failed or cancelled answer does not end the conversation."""
        while (message := self._read_question()) is not None:
            try:
                if message.strip():
                    self._ask(message)
            except LaunchError as error:
                typer.echo(f"runestone: {error}", err=True)
            except KeyboardInterrupt:
                typer.echo(" cancelled", err=True)

    def _read_question(self) -> str | None:
        try:
            return input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return None
        except KeyboardInterrupt:
            typer.echo("\n(Ctrl-D leaves)", err=True)
            return ""

    def _ask(self, message: str) -> None:
        """Ctrl-C cancels the coroutine, which closes the connection, so that the provider's is closed too."""
        question = [*self._messages, {"role": "user", "content": message}]
        answer = asyncio.run(stream_answer(self._gateway, self._model, question, self._write))
        if self._as_json:
            print(msgspec.json.encode({"model": answer.model, "content": answer.text, "usage": answer.usage}).decode())
        else:
            print()
        self._messages = [*question, {"role": "assistant", "content": answer.text}]

    def _write(self, piece: str) -> None:
        if not self._as_json:
            print(piece, end="", flush=True)


async def stream_answer(
    gateway: Gateway, model: str, messages: list[dict[str, str]], write: Callable[[str], None]
) -> Answer:
    """Asks and hands on each piece as it comes. Raises LaunchError when the answer is refused, fails or is cut."""
    body = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    headers = {"Authorization": f"Bearer {gateway.key}"}
    answer = Answer()
    try:
        async with (
            aiohttp.ClientSession(timeout=LIMITS, read_bufsize=LONGEST_LINE) as session,
            session.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers) as response,
        ):
            if response.status != 200:
                raise LaunchError(read_error(response.status, await response.read()))
            async for line in response.content:
                write(answer.take(line.decode()))
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise LaunchError(f"the connection to {gateway.url} failed: {error or type(error).__name__}") from error
    if not answer.is_complete:
        raise LaunchError("the answer was cut before its end")
    return answer
