"""The port of the gRPC door, which every edge worker listens on itself: gRPC takes no listening socket from anybody."""

import socket

from launcher.doors import refuse_taken
from launcher.errors import LaunchError


class KeptPort:
    """Keeps `host:port` from others until `close`, while processes of the same user listen on it by SO_REUSEPORT. With port 0 the kernel
    chooses. Nobody is answered here: a socket that does not listen is given no connection.

    Raises LaunchError when the port is taken or the host is not this machine's.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self._socket: socket.socket | None = None
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            if port:
                refuse_taken(family, address)
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._socket.bind(address)
        except OSError as error:
            self.close()
            raise LaunchError(f"cannot listen on {host}:{port} (edge.grpc): {error.strerror or error}") from error
        self.port = int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Lets go of it; who listens on it goes on."""
        if self._socket is not None:
            self._socket.close()
