"""One question to one service of the running mesh."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from chassis.client import Channel
from chassis.errors import RunestoneError
from chassis.replicas import open_link
from chassis.server import MAX_MESSAGE
from chassis.tracing import Tracing
from launcher.address_book import open_address_book
from launcher.errors import LaunchError

PATIENCE = 10.0  # seconds that one rpc may take

T = TypeVar("T")


def ask_service(service: str, data_dir: Path | None, question: Callable[[Channel], Awaitable[T]]) -> T:
    """What `question` makes of a channel to `service`. Raises LaunchError when no mesh runs or the service refuses."""
    book = open_address_book(data_dir)
    address = book.services.get(service)
    if address is None:
        raise LaunchError(f"the mesh has no service {service}")

    async def ask() -> T:
        link = open_link(address, MAX_MESSAGE, book.dial(service))
        async with Channel(address, tracing=Tracing("runestone"), timeout=PATIENCE, link=link) as channel:
            return await question(channel)

    try:
        return asyncio.run(ask())
    except RunestoneError as error:
        raise LaunchError(f"{service}: {error.message} ({error.reason})") from error
