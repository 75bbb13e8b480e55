"""`python -m cache_svc`: one service as one process, under the launcher or on its own.

Under the launcher it is told where the ControlService is and reads its settings there; stdin is the launcher's lifeline,
and its end means that the launcher is gone. On its own it reads a configuration file.
"""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path

from chassis import logs
from chassis.client import Channel
from chassis.config import ConfigError, Settings, hash_secrets, parse_settings
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.snapshots import Snapshot, SnapshotFeed, SnapshotWatch, snapshot_version
from chassis.tracing import Tracing

ReadSettings = Callable[[str, Path], Settings]


def read_settings(text: str, data_dir: Path) -> Settings:
    """The settings in a configuration's text and in the keys files in the data directory, with no key in them but hashes."""
    return hash_secrets(parse_settings(text, data_dir))


def main(service: Service) -> None:
    """Runs `service` until SIGTERM, SIGINT, SIGHUP or the end of the lifeline; exits 1 with one line when it cannot start."""
    options = _read_options(service.name)
    logs.configure(level=options.log_level)
    try:
        import uvloop  # noqa: PLC0415  not every platform has it

        uvloop.run(run(service, options))
    except (ConfigError, OSError, TimeoutError) as error:
        sys.exit(f"{service.name}: cannot start: {error}")


async def run(service: Service, options: argparse.Namespace, read_settings: ReadSettings = read_settings) -> None:
    """Starts, waits for the word to stop, stops; the word may come before the start is over.

    `read_settings` makes settings of the text of `options.config` and of the keys files in the data directory.
    """
    stop_asked = asyncio.Event()
    _listen_for_stop(stop_asked, has_lifeline=options.lifeline)
    async with AsyncExitStack() as stack:
        runtime = await _unless(stop_asked, _start(service, options, read_settings, stack))
        if runtime is not None:
            gc.collect()
            gc.freeze()
            await stop_asked.wait()
            await runtime.stop(options.grace)


async def _start(
    service: Service, options: argparse.Namespace, read_settings: ReadSettings, stack: AsyncExitStack
) -> Runtime:
    feed = await stack.enter_async_context(_Snapshots(service.name, options, read_settings))
    return await start_service(service, _read_place(options), feed)


async def _unless(stop_asked: asyncio.Event, start: Coroutine[None, None, Runtime]) -> Runtime | None:
    """What `start` gives; None, once it is cancelled and over, when the word to stop comes first."""
    starting, stopping = asyncio.create_task(start), asyncio.create_task(stop_asked.wait())
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if starting.done():
        return starting.result()
    starting.cancel()
    await asyncio.wait((starting,))
    return None


class _Snapshots:
    """The process's snapshots, from the ControlService or from a file; followed while the context is open."""

    def __init__(self, service: str, options: argparse.Namespace, read_settings: ReadSettings) -> None:
        self._service = service
        self._options = options
        self._read_settings = read_settings
        self._channel: Channel | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SnapshotFeed:
        if self._options.control is None:
            text = self._options.config.read_text() if self._options.config else ""
            settings = self._read_settings(text, self._options.data_dir)
            return SnapshotFeed(Snapshot(snapshot_version(settings), settings))
        self._channel = Channel(self._options.control, tracing=Tracing(self._service))
        watch = SnapshotWatch(self._channel, self._service, logs.get_logger(self._service))
        feed = SnapshotFeed(await watch.first(patience=30))
        self._task = asyncio.create_task(watch.run(feed))
        return feed

    async def __aexit__(self, *exception: object) -> None:
        if self._task is not None and self._channel is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await self._channel.close()


def _read_options(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"runestone-{name}", description=f"Runestone's {name} service")
    parser.add_argument("--listen", required=True, help="unix:/path or host:port of the gRPC server")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=ADDRESS", help="where another service is")
    parser.add_argument(
        "--socket", action="append", default=[], metavar="NAME=FD", help="an inherited listening socket"
    )
    parser.add_argument("--config", type=Path, help="a configuration file, for a service on its own")
    parser.add_argument("--control", help="address of the ControlService that publishes the configuration")
    parser.add_argument("--data-dir", type=Path, default=Path(".runestone"))
    parser.add_argument("--worker", type=int, default=0, help="this process's number among equals")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds that running calls have at stop")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--lifeline", action="store_true", help="stop when stdin ends")
    return parser.parse_args()


def _read_place(options: argparse.Namespace) -> Place:
    return Place(
        listen=options.listen,
        data_dir=options.data_dir,
        peers=dict(peer.split("=", 1) for peer in options.peer),
        worker=options.worker,
        sockets={name: int(number) for name, number in (pair.split("=", 1) for pair in options.socket)},
    )


def _listen_for_stop(stop_asked: asyncio.Event, *, has_lifeline: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_asked.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under `nohup` the terminal's end is not the service's
        loop.add_signal_handler(signal.SIGHUP, stop_asked.set)
    if has_lifeline:
        loop.add_reader(sys.stdin.fileno(), _end_lifeline, stop_asked)


def _end_lifeline(stop_asked: asyncio.Event) -> None:
    """An end of file stays readable: watched on, it would keep the loop busy while the last calls run."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    stop_asked.set()
