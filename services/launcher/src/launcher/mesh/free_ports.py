"""Ports for the parts: outside those that the system gives to whoever connects, so that a part that is started again finds its own free."""

import itertools
import random
import socket
from collections.abc import Iterator

from launcher.errors import LaunchError
from launcher.mesh.order import EnvoyPorts
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


def settle_ports(wanted: EnvoyPorts, free: Iterator[int]) -> EnvoyPorts:
    """`wanted`, with any free port for 0. Raises LaunchError when one is taken."""
    return EnvoyPorts(
        tls=_settle(wanted.tls, free, "--port"),
        plain=_settle(wanted.plain, free, "--plain-port"),
        grpc=_settle(wanted.grpc, free, "--grpc-port"),
        admin=_settle(wanted.admin, free, "--envoy-port"),
    )


def _settle(wanted: int, free: Iterator[int], option: str) -> int:
    if wanted == 0:
        return next(free)
    if not is_free(wanted):
        raise LaunchError(f"port {wanted} is taken; name another one with {option}")
    return wanted
