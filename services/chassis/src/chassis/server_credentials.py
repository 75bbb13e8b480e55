"""A gRPC server's certificate that may change while it serves: gRPC asks for it at each handshake, so that a new one is in use at the next
connection and no call that runs is disturbed."""

from collections.abc import Callable
from typing import Any, TypeVar

import grpc

T = TypeVar("T")


def follow_credentials(
    current: Callable[[], T], configure: Callable[[T], grpc.ServerCertificateConfiguration], *, verifies_callers: bool
) -> grpc.ServerCredentials:
    """Credentials as `configure` makes them of what `current` gives; made anew where that is another object than before. To be kept as long
    as the server that listens with them. Both are called in threads of gRPC's."""
    in_use = current()

    def find_newer() -> grpc.ServerCertificateConfiguration | None:
        """None: go on with what there is."""
        nonlocal in_use
        now = current()
        if now is in_use:
            return None
        in_use = now
        return configure(now)

    fetcher: Any = find_newer  # its stub knows nothing of None
    return grpc.dynamic_ssl_server_credentials(
        configure(in_use), fetcher, require_client_authentication=verifies_callers
    )
