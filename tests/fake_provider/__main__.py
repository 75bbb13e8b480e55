"""`python -m fake_provider --port 9000`: the fake provider as a process of its own, for benchmarks."""

import argparse
import asyncio
import signal

import uvloop

from fake_provider.server import FakeProvider


async def serve(port: int, wishes: str) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop_asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_asked.set)
    async with FakeProvider(port, wishes=wishes) as fake:
        print(f"fake provider on {fake.url}", flush=True)  # noqa: T201  the command's answer
        await stop_asked.wait()


parser = argparse.ArgumentParser(prog="fake_provider", description=__doc__)
parser.add_argument("--port", type=int, default=9000)
parser.add_argument("--wishes", default="", help="what holds for every request, as in a model's name")
given = parser.parse_args()
uvloop.run(serve(given.port, given.wishes))
