"""The listening sockets of a port of the edge's: one for each worker, opened and kept by the launcher.

A worker that dies leaves its socket behind, with the connections that wait in it, for its successor.
"""

import socket
from collections.abc import Sequence

from launcher.errors import LaunchError

BACKLOG = 2048


class Doors:
    """`count` sockets that share `host:port` by SO_REUSEPORT; with port 0 the first one chooses. Closed by `close`.

    Raises LaunchError when the port is taken or the host is not this machine's; `section` is where the configuration names them.
    """

    def __init__(self, host: str, port: int, count: int, section: str = "edge.http") -> None:
        self._sockets: list[socket.socket] = []
        self.host, self.port = host, port
        try:
            self._open(count)
        except OSError as error:
            self.close()
            raise LaunchError(f"cannot listen on {host}:{port} ({section}): {error.strerror or error}") from error

    def _open(self, count: int) -> None:
        family, _, _, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        if self.port:
            refuse_taken(family, address)
        for _ in range(count):
            door = socket.socket(family, socket.SOCK_STREAM)
            self._sockets.append(door)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            door.bind((address[0], self.port, *address[2:]))
            door.listen(BACKLOG)
            self.port = int(door.getsockname()[1])

    @property
    def descriptors(self) -> Sequence[int]:
        """The file descriptor of each worker's socket."""
        return [door.fileno() for door in self._sockets]

    def close(self) -> None:
        """Lets go of the sockets; the workers' own copies live on until they close them."""
        for door in self._sockets:
            door.close()


def refuse_taken(family: int, address: tuple[object, ...]) -> None:
    """SO_REUSEPORT would let two meshes of one user share a port unnoticed; a socket without it cannot."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
