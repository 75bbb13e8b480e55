"""Happy Eyeballs: the first address that answers wins, and nothing is left of the others."""

import asyncio
import socket
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from fake_provider import unaccepting_port
from hypothesis import given
from hypothesis import strategies as st

from chassis.testing import free_port
from provider_svc.http1.race import connect_first, look_up, take_turns

DESCRIPTORS = Path("/proc/self/fd")
SOON = 0.01


def at(port: int):
    return (socket.AF_INET, ("127.0.0.1", port))


@pytest.fixture
async def listening():
    """The port of a server that accepts and waits."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture(autouse=True)
async def _nothing_is_left():
    """No attempt runs on, and no socket stays open."""
    before = count_sockets()
    yield
    async with asyncio.timeout(5):
        while count_sockets() > before or _attempts():
            await asyncio.sleep(0.005)


def count_sockets() -> int:
    if not DESCRIPTORS.exists():
        pytest.skip(f"{sys.platform} has no /proc/self/fd to count descriptors with")
    links = [str(each.readlink()) for each in DESCRIPTORS.iterdir() if each.is_symlink()]
    return sum(link.startswith("socket:") for link in links)


def _attempts():
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("connect ")]


async def test_one_address_is_simply_connected_to(listening):
    with await connect_first([at(listening)]) as connected:
        assert connected.getpeername()[1] == listening
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not connected.getblocking()


async def test_an_address_that_hangs_does_not_hold_the_next_one_up(listening):
    with unaccepting_port() as hanging:
        with await connect_first([at(hanging), at(hanging), at(listening)], SOON) as connected:
            assert connected.getpeername()[1] == listening
        assert not [task for task in _attempts() if not task.cancelling()]


async def test_an_address_that_refuses_does_not_cost_its_head_start(listening):
    async with asyncio.timeout(5):
        with await connect_first([at(free_port()), at(listening)], 3600.0) as connected:
            assert connected.getpeername()[1] == listening


async def test_when_all_refuse_the_first_one_says_why():
    with pytest.raises(ConnectionRefusedError):
        await connect_first([at(free_port()), at(free_port())], SOON)


async def test_no_address_is_an_error():
    with pytest.raises(OSError, match="no address"):
        await connect_first([])


async def test_addresses_that_failed_or_were_overtaken_are_told_of_and_no_others(listening):
    refusing, avoided = at(free_port()), []
    with unaccepting_port() as hanging, unaccepting_port() as never_tried:
        addresses = [refusing, at(hanging), at(listening), at(never_tried)]
        with await connect_first(addresses, 5 * SOON, avoided.append):
            assert avoided == [refusing, at(hanging)]
    with pytest.raises(ConnectionRefusedError):
        await connect_first([refusing], SOON, avoided.append)
    assert len(avoided) == 2  # there is no other to be tried first


@pytest.mark.parametrize("count", [1, 3])
async def test_cancelling_leaves_nothing(count):
    with unaccepting_port() as hanging:
        connecting = asyncio.create_task(connect_first([at(hanging)] * count, SOON))
        await asyncio.sleep(5 * SOON)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting


async def test_two_winners_at_once_are_one(listening):
    for _ in range(20):
        with await connect_first([at(listening)] * 4, 0.0) as connected:
            assert connected.fileno() >= 0


async def test_names_are_looked_up():
    assert await look_up("127.0.0.1", 80) == [at(80)]
    assert at(80) in await look_up("localhost", 80)


ADDRESSES = st.lists(st.tuples(st.sampled_from([socket.AF_INET, socket.AF_INET6]), st.tuples(st.integers())))


@given(ADDRESSES)
def test_families_take_turns_and_keep_their_own_order(addresses):
    turns = take_turns(addresses)
    assert turns[:1] == addresses[:1]
    for family in (socket.AF_INET, socket.AF_INET6):
        assert [each for each in turns if each[0] == family] == [each for each in addresses if each[0] == family]
    fewest = min(sum(each[0] == family for each in turns) for family in (socket.AF_INET, socket.AF_INET6))
    assert all(one[0] != other[0] for one, other in pairwise(turns[: 2 * fewest]))
