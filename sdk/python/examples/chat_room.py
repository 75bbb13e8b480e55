"""A chat room in the terminal. In two of them:

.venv/bin/python sdk/python/examples/chat_room.py ann
.venv/bin/python sdk/python/examples/chat_room.py bob

What you type is said to all. `/ask <question>` asks a model, and everybody reads its answer; anybody may `/pause`, `/resume` and `/cancel` it.
`/who` says who is there, `/quit` leaves.
"""

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from itertools import chain
from pathlib import Path

import runestone_client
from runestone_client import PresenceChanged, Room, RoomEvent, RoomMessage, Stream, StreamStarted, StreamSteered

SLOW = "sim/words=150,pace=80ms"  # the model that needs no API key, slow enough to be paused
MOST_LINES = 256  # typed ahead; the rest waits in the terminal


class Screen:
    """Lines, and answers that grow: one at a time, the others are shown when they are whole."""

    def __init__(self) -> None:
        self._growing: str | None = None

    def say(self, line: str) -> None:
        """A line of its own."""
        self._break()
        print(line, flush=True)

    def grow(self, stream_id: str, head: str, text: str) -> None:
        """More of an answer; it begins with its head where something else was said between."""
        if self._growing != stream_id:
            self._break()
            print(head, end="")
            self._growing = stream_id
        print(text, end="", flush=True)

    def _break(self) -> None:
        if self._growing is not None:
            print()
        self._growing = None


class Chat:
    """What one member sees and does."""

    def __init__(self, room: Room, screen: Screen, model: str) -> None:
        self._room, self._screen, self._model = room, screen, model
        self._readers: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "ask": self._ask,
            "who": self._tell_who,
            "pause": lambda _: self._steer(Stream.pause),
            "resume": lambda _: self._steer(Stream.resume),
            "cancel": lambda _: self._steer(Stream.cancel),
        }

    async def listen(self) -> None:
        """Shows what was said before, then what happens."""
        events = self._room.events()
        for event in self._room.history:
            self._show(event)
        async for event in events:
            self._show(event)

    async def obey(self, line: str) -> None:
        """Says a line, or does what it commands."""
        command, _, rest = line[1:].partition(" ")
        try:
            if not line.startswith("/"):
                await self._room.say({"text": line})
            elif command in self._commands:
                await self._commands[command](rest.strip())
            else:
                self._screen.say(f"* there are /{' /'.join(self._commands)} /quit")
        except runestone_client.RunestoneError as error:
            self._screen.say(f"* {error}")

    def _show(self, event: RoomEvent) -> None:
        match event:
            case RoomMessage(sender=sender, body={"text": text}):
                self._screen.say(f"<{sender}> {text}")
            case StreamStarted(sender=sender, note=note, stream=stream):
                self._screen.say(f"<{sender}> asks: {note}")
                if stream is not None:
                    self._readers.add(reader := asyncio.create_task(self._read(stream, event.model)))
                    reader.add_done_callback(self._readers.discard)
            case StreamSteered(what=what, by=by):
                self._screen.say(f"* {what} by {by}")
            case PresenceChanged(kind=kind, key=key):
                self._screen.say(f"* {key} {kind}")
            case _:
                self._screen.say(f"* {event}")

    async def _read(self, stream: Stream, model: str) -> None:
        head = f"[{model.partition('/')[0]}] "
        try:
            async for chunk in stream:
                if chunk.text:
                    self._screen.grow(stream.id, head, chunk.text)
        except runestone_client.StreamCancelledError:
            return  # the room says by whom
        except runestone_client.RunestoneError as error:
            self._screen.say(f"* the answer ended: {error}")
        else:
            self._screen.say(f"* {len(stream.text.split())} words, {stream.finish_reason}")

    async def _ask(self, question: str) -> None:
        messages = [{"role": "user", "content": question}]
        await self._room.stream({"model": self._model, "messages": messages}, note=question)

    async def _tell_who(self, _: str) -> None:
        self._screen.say(f"* here: {', '.join(self._room.presence)}")

    async def _steer(self, action: Callable[[Stream], Awaitable[None]]) -> None:
        if not self._room.streams:
            self._screen.say("* nothing is running")
            return
        await action(self._room.streams[-1])


def read_lines() -> "asyncio.Queue[str]":
    """Lines as they are typed, an empty one at the end. The thread ends with the process: nothing else ends a wait for a terminal."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str](MOST_LINES)

    def read() -> None:
        for line in chain(iter(sys.stdin.readline, ""), [""]):
            asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()

    threading.Thread(target=read, daemon=True).start()
    return lines


def find_key() -> str:
    """The environment's, or the one that `make run` made."""
    if key := os.environ.get("RUNESTONE_API_KEY"):
        return key
    made = Path(__file__).parents[3] / ".runestone" / "development.key"
    if not made.exists():
        sys.exit(f"there is no {made}: is `make run` running? Else set RUNESTONE_API_KEY")
    return made.read_text().strip()


async def chat(options: argparse.Namespace) -> None:
    """Until `/quit`."""
    screen = Screen()
    client = runestone_client.connect(options.url, find_key, on_state=lambda state: screen.say(f"* {state}"))
    async with client, client.room(options.room, key=options.name) as room:
        screen.say(f"* you are {room.key} in {room.name}; /ask, /pause, /resume, /cancel, /who, /quit")
        member = Chat(room, screen, options.model)
        listening = asyncio.create_task(member.listen())
        lines = read_lines()
        while (line := await lines.get()) and line.strip() != "/quit":
            if line.strip():
                await member.obey(line.strip())
        listening.cancel()


def main() -> None:
    """Reads the options."""
    parser = argparse.ArgumentParser(description="A chat room in the terminal")
    parser.add_argument("name", help="who you are")
    url = os.environ.get("RUNESTONE_URL", "http://127.0.0.1:4003")
    parser.add_argument("--room", default="lobby", help="which room (%(default)s)")
    parser.add_argument("--model", default=SLOW, help="whom /ask asks (%(default)s)")
    parser.add_argument("--url", default=url, help="the gateway; else RUNESTONE_URL (%(default)s)")
    options = parser.parse_args()
    find_key()
    try:
        asyncio.run(chat(options))
    except KeyboardInterrupt:
        pass
    except (runestone_client.RunestoneError, OSError) as error:
        sys.exit(f"* {error}")


if __name__ == "__main__":
    main()
