"""`python -m cache_svc`: one service as one process, under the launcher or on its own.

Under the launcher it is told where the ControlService is and reads its settings there; stdin is the launcher's lifeline,
and its end means that the launcher is gone. On its own it reads a configuration file.
"""

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from chassis import logs
from chassis.config import ConfigError, Settings, hash_secrets, list_files, parse_settings
from chassis.hangup import obey_hangup
from chassis.metrics import Metrics
from chassis.reload.followed import Followed, FollowedControl, FollowedFile
from chassis.reload.source import Source
from chassis.runtime import Place, Runtime, Service, start_service
from chassis.snapshots import take_snapshot


def main(service: Service) -> None:
    """Runs `service` until SIGTERM, SIGINT or the end of the lifeline; exits 1 with one line when it cannot start."""
    options = _read_options(service.name)
    logs.configure(level=options.log_level)
    try:
        import uvloop  # noqa: PLC0415  not every platform has it

        uvloop.run(_run(service, options))
    except (ConfigError, OSError, TimeoutError) as error:
        sys.exit(f"{service.name}: cannot start: {error}")


async def _run(service: Service, options: argparse.Namespace) -> None:
    await run(service, options, _follow(service.name, options))


def _follow(service: str, options: argparse.Namespace) -> Followed:
    """The process's snapshots, from the ControlService or from a file. Raises ConfigError for a file that is wrong."""
    if options.control is not None:
        return FollowedControl(service, options.control, options.worker)
    source = open_source(options.config, options.data_dir)
    return FollowedFile(service, source, take_snapshot(source.read()), take_snapshot, metrics=Metrics())


def open_source(path: Path | None, data_dir: Path) -> Source[Settings]:
    """The settings in a configuration file and in the keys files in the data directory, with no key in them but hashes."""

    def load(text: str) -> Settings:
        return hash_secrets(parse_settings(text, data_dir))

    return Source(path, load, lambda text: list_files(text, data_dir))


async def run(service: Service, options: argparse.Namespace, followed: Followed) -> None:
    """Starts, waits for the word to stop, stops; the word may come before the start is over."""
    stop_asked = asyncio.Event()
    _listen_for_stop(stop_asked, followed, has_lifeline=options.lifeline)
    async with AsyncExitStack() as stack:
        runtime = await _unless(stop_asked, _start(service, options, followed, stack))
        if runtime is not None:
            gc.collect()
            gc.freeze()
            await stop_asked.wait()
            await runtime.stop(options.grace, delay=options.delay)


async def _start(service: Service, options: argparse.Namespace, followed: Followed, stack: AsyncExitStack) -> Runtime:
    feed = await stack.enter_async_context(followed)
    runtime = await start_service(service, _read_place(options), feed)
    followed.begin()
    return runtime


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


def _read_options(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"runestone-{name}", description=f"Runestone's {name} service")
    parser.add_argument("--listen", required=True, help="unix:/path or host:port of the gRPC server")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=ADDRESS", help="where another service is")
    parser.add_argument(
        "--socket", action="append", default=[], metavar="NAME=FD", help="an inherited listening socket"
    )
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER", help="a port to listen on")
    parser.add_argument("--config", type=Path, help="a configuration file, for a service on its own")
    parser.add_argument("--control", help="address of the ControlService that publishes the configuration")
    parser.add_argument("--data-dir", type=Path, default=Path(".runestone"))
    parser.add_argument("--worker", type=int, default=0, help="this process's number among equals")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds that running calls have at stop")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that balancers have to notice the stop")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    parser.add_argument("--lifeline", action="store_true", help="stop when stdin ends")
    return parser.parse_args()


def _read_place(options: argparse.Namespace) -> Place:
    return Place(
        listen=options.listen,
        data_dir=options.data_dir,
        peers=dict(peer.split("=", 1) for peer in options.peer),
        worker=options.worker,
        sockets=_read_numbers(options.socket),
        ports=_read_numbers(options.port),
    )


def _read_numbers(pairs: Sequence[str]) -> dict[str, int]:
    return {name: int(number) for name, number in (pair.split("=", 1) for pair in pairs)}


def _listen_for_stop(stop_asked: asyncio.Event, followed: Followed, *, has_lifeline: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_asked.set)
    loop.add_signal_handler(signal.SIGHUP, obey_hangup(stop_asked.set, followed.look_again))
    if has_lifeline:
        loop.add_reader(sys.stdin.fileno(), _end_lifeline, stop_asked)


def _end_lifeline(stop_asked: asyncio.Event) -> None:
    """An end of file stays readable: watched on, it would keep the loop busy while the last calls run."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    stop_asked.set()
