import socket

import pytest

from launcher.doors import Doors
from launcher.errors import LaunchError


@pytest.fixture
def open_doors():
    opened = []

    def open_them(port: int, count: int) -> Doors:
        opened.append(Doors("127.0.0.1", port, count))
        return opened[-1]

    yield open_them
    for doors in opened:
        doors.close()


def port_of(descriptor: int) -> int:
    with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as door:
        return door.getsockname()[1]


def test_every_worker_has_a_socket_on_the_same_port(open_doors):
    doors = open_doors(0, 3)
    assert len(set(doors.descriptors)) == 3
    assert {port_of(descriptor) for descriptor in doors.descriptors} == {doors.port}
    assert doors.port != 0


def test_a_connection_waits_for_a_worker_that_is_not_there_yet(open_doors):
    doors = open_doors(0, 1)
    with socket.create_connection(("127.0.0.1", doors.port), timeout=5) as client:
        with socket.fromfd(doors.descriptors[0], socket.AF_INET, socket.SOCK_STREAM) as door:
            waiting, address = door.accept()
        waiting.close()
        assert address == client.getsockname()


def test_two_meshes_cannot_share_a_port_unnoticed(open_doors):
    """SO_REUSEPORT alone would let them."""
    taken = open_doors(0, 1).port
    with pytest.raises(LaunchError, match=rf"cannot listen on 127\.0\.0\.1:{taken} \(edge\.http\)"):
        open_doors(taken, 1)


def test_a_host_that_is_not_ours_is_one_clear_error():
    with pytest.raises(LaunchError, match=r"edge\.http"):
        Doors("192.0.2.1", 4003, 1)


def test_a_taken_port_is_told_by_the_section_that_names_it(open_doors):
    taken = open_doors(0, 1).port
    with pytest.raises(LaunchError, match=r"\(edge\.websocket\)"):
        Doors("127.0.0.1", taken, 1, "edge.websocket")
