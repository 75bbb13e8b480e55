"""Connecting to whichever of a host's addresses answers first (Happy Eyeballs version 2, RFC 8305).

uvloop's own `create_connection` tries one address after the other, each for as long as the kernel has patience.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any

HEAD_START = 0.25  # seconds that an address has before the next is tried beside it (RFC 8305, section 5)

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
Attempt = asyncio.Task[socket.socket]


async def look_up(host: str, port: int) -> list[Address]:
    """The host's addresses, families taking turns (RFC 8305, section 4). Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return take_turns([(family, address) for family, _, _, _, address in found])


def take_turns(addresses: Sequence[Address]) -> list[Address]:
    """The addresses with their families alternating, the first one's family first."""
    first = [each for each in addresses if each[0] == addresses[0][0]]
    others = [each for each in addresses if each[0] != addresses[0][0]]
    turns = chain.from_iterable(zip_longest(first, others))
    return [each for each in turns if each is not None]


async def connect_first(
    addresses: Sequence[Address],
    head_start: float = HEAD_START,
    avoid: Callable[[Address], None] = lambda _address: None,
) -> socket.socket:
    """A connected, non-blocking socket with TCP_NODELAY. Raises the first address's OSError when none answers; leaves no
    socket open but the one that it returns, cancelled or not. `avoid` is told which addresses failed, or were overtaken by one that was
    tried after them."""
    if len(addresses) == 1:
        return await _connect(addresses[0])
    attempts: list[Attempt] = []
    winner: Attempt | None = None
    try:
        for address in addresses:
            attempts.append(asyncio.create_task(_connect(address), name=f"connect {len(attempts)}"))
            if winner := await _wait_for_one(attempts, head_start):
                return winner.result()
        if winner := await _wait_for_one(attempts, None):
            return winner.result()
        raise (attempts and attempts[0].exception()) or OSError("the host has no address")
    finally:
        _report(addresses, attempts, winner, avoid)
        for attempt in attempts:
            if attempt is not winner:
                attempt.cancel()
                attempt.add_done_callback(_discard)


async def _wait_for_one(attempts: Sequence[Attempt], patience: float | None) -> Attempt | None:
    """The first attempt that succeeds; None when all have failed. With `patience`: None also after so many seconds, or when
    one has failed, for then it is the next address's turn."""
    while pending := [attempt for attempt in attempts if not attempt.done()]:
        await asyncio.wait(pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if winner := next(filter(_has_won, attempts), None):
            return winner
        if patience is not None:
            return None
    return None


def _report(
    addresses: Sequence[Address], attempts: Sequence[Attempt], winner: Attempt | None, avoid: Callable[[Address], None]
) -> None:
    last = attempts.index(winner) if winner is not None else -1
    for number, (address, attempt) in enumerate(zip(addresses, attempts, strict=False)):
        if number < last or (attempt.done() and not _has_won(attempt)):
            avoid(address)


def _has_won(attempt: Attempt) -> bool:
    return attempt.done() and not attempt.cancelled() and attempt.exception() is None


def _discard(attempt: Attempt) -> None:
    """Closes the socket of an attempt that came second."""
    if _has_won(attempt):
        attempt.result().close()


async def _connect(address: Address) -> socket.socket:
    family, name = address
    connecting = socket.socket(family, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connecting, name)
    except BaseException:
        connecting.close()
        raise
    return connecting
