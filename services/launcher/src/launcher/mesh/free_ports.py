"""Ports for the parts: outside those that the system gives to whoever connects, so that a part that is started again finds its own free."""

import itertools
import random
import socket
from collections.abc import Iterator

from launcher.errors import LaunchError
from launcher.mesh.parts import LOOPBACK

PORTS = range(61_000, 65_535)


def free_ports() -> Iterator[int]:
    """One after the other, from somewhere on; each was free when it was given. Raises LaunchError when none is left."""
    start = random.randrange(len(PORTS))  # noqa: S311  apart from another mesh's, not a secret
    for port in itertools.chain(PORTS[start:], PORTS[:start]):
        if is_free(port):
            yield port
    raise LaunchError("no port is free for another part")


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def settle_port(wanted: int, ports: Iterator[int], what: str) -> int:
    """`wanted`, or any for 0. Raises LaunchError when it is taken."""
    if wanted == 0:
        return next(ports)
    if not is_free(wanted):
        raise LaunchError(f"port {wanted} is taken ({what}); choose another one")
    return wanted
