import socket

import pytest

from launcher.errors import LaunchError
from launcher.kept_port import KeptPort


@pytest.fixture
def kept():
    port = KeptPort("127.0.0.1", 0)
    yield port
    port.close()


def listen(port: int) -> socket.socket:
    """As gRPC does it, with SO_REUSEPORT."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    door.bind(("127.0.0.1", port))
    door.listen()
    return door


def test_whoever_listens_on_it_gets_every_connection(kept):
    """The launcher's own socket takes none: it does not listen."""
    with listen(kept.port) as one:
        one.settimeout(5)
        for _ in range(8):
            with socket.create_connection(("127.0.0.1", kept.port), timeout=5):
                one.accept()[0].close()


def test_two_meshes_cannot_share_a_port_unnoticed(kept):
    with pytest.raises(LaunchError, match=rf"cannot listen on 127\.0\.0\.1:{kept.port} \(edge\.grpc\)"):
        KeptPort("127.0.0.1", kept.port)


def test_a_host_that_is_not_ours_is_one_clear_error():
    with pytest.raises(LaunchError, match=r"edge\.grpc"):
        KeptPort("192.0.2.1", 0)
