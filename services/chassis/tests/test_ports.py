"""Ports of tests, which are passed side by side."""

import socket

from chassis.testing.ports import PORTS, SHARE, free_port, list_ports


def test_a_port_is_given_once_and_can_be_listened_on() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_a_port_that_is_taken_is_passed_over() -> None:
    """Whoever has it keeps it for as long as all others are given out once."""
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        assert taken.getsockname()[1] not in {free_port() for _ in range(SHARE)}


def test_processes_that_pass_tests_side_by_side_share_no_port() -> None:
    shares = [set(list_ports(f"gw{number}")) for number in range(len(PORTS) // SHARE)]
    assert set().union(*shares) == set(PORTS)
    assert sum(map(len, shares)) == len(PORTS)
    assert list_ports("") == list_ports("gw0")
