"""The pool: bounded, fair, and never a connection that is not clean."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.http1.connection import Connection
from provider_svc.http1.faults import ConnectTimeout, NotConnected, QueueFull
from provider_svc.http1.limits import Limits
from provider_svc.http1.pool import Pool
from provider_svc.http1.reply import Reply

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
LONG = 60.0


class Peers:
    """Opens connections to sockets that the test holds. `is_held` keeps dialing until `go_on` is set."""

    def __init__(self, *, is_held: bool = False) -> None:
        self.sockets: list[socket.socket] = []
        self.refuses = False
        self.go_on = asyncio.Event()
        if not is_held:
            self.go_on.set()

    async def dial(self, on_lost, deadline) -> Connection:
        await self.go_on.wait()
        if self.refuses:
            raise NotConnected("refused")
        ours, theirs = socket.socketpair()
        self.sockets.append(theirs)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(loop, on_lost), sock=ours)
        return connection

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.fixture
async def peers():
    peers = Peers()
    yield peers
    peers.close()


def pool_of(peers: Peers, **limits) -> Pool:
    return Pool(peers.dial, Limits(**limits))


def in_a_while(seconds: float = LONG) -> float:
    return asyncio.get_running_loop().time() + seconds


async def use(peers: Peers, connection: Connection, *, answer: bytes = ANSWER) -> None:
    """One exchange on the connection that was opened last; it is not released."""
    peers.sockets[-1].send(answer)
    await connection.begin(b"POST / HTTP/1.1\r\n\r\n", b"", in_a_while())


async def test_a_connection_is_used_again_only_when_its_answer_was_read_to_the_end(peers):
    pool = pool_of(peers)
    connection = await pool.acquire(in_a_while())
    await use(peers, connection)
    pool.release(connection)
    again = await pool.acquire(in_a_while())
    assert again is connection
    await use(peers, again, answer=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
    pool.release(again)
    assert repr(pool) == "Pool(0 open, 0 idle, 0 dialing, 0 waiting, 1 dialed, 1 reused)"
    pool.close()


async def test_a_connection_that_carried_nothing_is_not_kept(peers):
    """Whoever gave up before sending cannot know what the server has sent by itself."""
    pool = pool_of(peers)
    pool.release(await pool.acquire(in_a_while()))
    assert pool.count_now()["open"] == 0


async def test_the_next_place_goes_to_who_has_waited_longest(peers):
    pool, order = pool_of(peers, connections=1), []
    first = await pool.acquire(in_a_while())

    async def wait(number: int) -> None:
        connection = await pool.acquire(in_a_while())
        order.append(number)
        await asyncio.sleep(0)
        pool.release(connection)

    tasks = [asyncio.create_task(wait(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert "5 waiting" in repr(pool)
    pool.release(first)
    late = asyncio.create_task(wait(5))
    await asyncio.gather(*tasks, late)
    assert order == [0, 1, 2, 3, 4, 5]
    pool.close()


async def test_a_kept_connection_is_handed_to_who_waits(peers):
    pool = pool_of(peers, connections=1)
    connection = await pool.acquire(in_a_while())
    await use(peers, connection)
    waiting = asyncio.create_task(pool.acquire(in_a_while()))
    await asyncio.sleep(0)
    pool.release(connection)
    assert await waiting is connection
    assert len(peers.sockets) == 1
    pool.release(connection)


async def test_waiting_too_long_is_a_timeout_and_takes_no_place(peers):
    pool = pool_of(peers, connections=1)
    connection = await pool.acquire(in_a_while())
    with pytest.raises(ConnectTimeout, match="none of its 1 connections free"):
        await pool.acquire(in_a_while(0.01))
    assert "0 waiting" in repr(pool)
    pool.release(connection)
    pool.release(await pool.acquire(in_a_while()))


async def test_more_than_may_wait_are_refused_at_once(peers):
    pool = pool_of(peers, connections=1, waiting=1)
    connection = await pool.acquire(in_a_while())
    waiting = asyncio.create_task(pool.acquire(in_a_while()))
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await pool.acquire(in_a_while())
    pool.release(connection)
    pool.release(await waiting)


@pytest.mark.parametrize("is_clean", [True, False])
async def test_who_gives_up_in_the_moment_of_being_served_passes_it_on(peers, is_clean):
    pool = pool_of(peers, connections=1)
    connection = await pool.acquire(in_a_while())
    if is_clean:
        await use(peers, connection)
    leaving = asyncio.create_task(pool.acquire(in_a_while()))
    staying = asyncio.create_task(pool.acquire(in_a_while()))
    await asyncio.sleep(0)
    pool.release(connection)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(5):
        given = await staying
    assert (given is connection) is is_clean
    pool.release(given)


async def test_a_failed_or_cancelled_dial_gives_its_place_back():
    peers = Peers(is_held=True)
    pool = pool_of(peers, connections=1)
    dialing = asyncio.create_task(pool.acquire(in_a_while()))
    waiting = asyncio.create_task(pool.acquire(in_a_while()))
    await asyncio.sleep(0)
    dialing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialing
    peers.refuses = True
    peers.go_on.set()
    with pytest.raises(NotConnected):
        await waiting
    peers.refuses = False
    pool.release(await pool.acquire(in_a_while()))
    peers.close()


@pytest.mark.parametrize("what", [b"", b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"])
async def test_an_idle_connection_with_anything_in_its_socket_is_not_used(peers, what):
    """Neither an end nor bytes that nobody asked for, although the loop has not looked at the socket yet."""
    pool = pool_of(peers)
    connection = await pool.acquire(in_a_while())
    await use(peers, connection)
    pool.release(connection)
    if what:
        peers.sockets[0].send(what)
    else:
        peers.sockets[0].close()
    assert pool.take_idle() is None
    assert pool.count_now()["open"] == 0


async def test_an_idle_connection_that_breaks_is_forgotten(peers):
    pool = pool_of(peers, connections=1)
    connection = await pool.acquire(in_a_while())
    await use(peers, connection)
    pool.release(connection)
    peers.sockets[0].close()
    async with asyncio.timeout(5):
        while pool.count_now()["open"]:
            await asyncio.sleep(0)
    assert "0 idle" in repr(pool)
    pool.release(await pool.acquire(in_a_while()))


async def test_what_was_idle_too_long_is_closed(peers):
    pool = pool_of(peers, idle=0.02)
    connections = []
    for _ in range(2):
        connections.append(await pool.acquire(in_a_while()))
        await use(peers, connections[-1])
    for connection in connections:
        pool.release(connection)
    assert "2 idle" in repr(pool)
    async with asyncio.timeout(5):
        while pool.count_now()["open"]:
            await asyncio.sleep(0.005)


async def test_a_server_that_keeps_connections_for_a_second_is_not_trusted_with_one(peers):
    pool = pool_of(peers)
    connection = await pool.acquire(in_a_while())
    await use(peers, connection, answer=ANSWER[:-2] + b"keep-alive: timeout=1\r\n\r\n")
    pool.release(connection)
    assert pool.take_idle() is None
    pool.close()


async def test_an_old_connection_is_not_used_again(peers):
    pool = pool_of(peers, age=0.0)
    connection = await pool.acquire(in_a_while())
    await asyncio.sleep(0.01)
    await use(peers, connection)
    pool.release(connection)
    assert pool.count_now()["open"] == 0


async def test_what_leads_where_the_origin_is_no_longer_is_closed_when_idle_and_not_kept_after_use(peers):
    leads = True
    pool = Pool(peers.dial, Limits(), leads_to=lambda _peer: leads)
    idle, busy = await pool.acquire(in_a_while()), None
    await use(peers, idle)
    busy = await pool.acquire(in_a_while())
    await use(peers, busy)
    pool.release(idle)
    leads = False
    pool.drop_moved()
    assert (idle.is_open, busy.is_open) == (False, True)
    pool.release(busy)
    assert not busy.is_open
    assert pool.statistics()["moved_away"] == 2


class Life:
    """Calls that come and go on one pool; each step leaves the loop time to settle."""

    def __init__(self, places: int) -> None:
        self.peers = Peers()
        self.pool = pool_of(self.peers, connections=places)
        self.calls: list[asyncio.Task[Connection]] = []

    def ask(self) -> None:
        self.calls.append(asyncio.create_task(self.pool.acquire(in_a_while())))

    def answer(self) -> None:
        for connection in self._take_served():
            connection._reply = Reply()
            connection._reply.feed(ANSWER)
            self.pool.release(connection)

    def waste(self) -> None:
        for connection in self._take_served():
            self.pool.release(connection)

    def give_up(self) -> None:
        for call in [call for call in self.calls if not call.done()][:1]:
            self.calls.remove(call)
            call.cancel()

    def break_one(self) -> None:
        for each in self.peers.sockets[:1]:
            self.peers.sockets.remove(each)
            each.close()

    async def end(self) -> None:
        for call in self.calls:
            call.cancel()
        for result in await asyncio.gather(*self.calls, return_exceptions=True):
            if isinstance(result, Connection):
                self.pool.release(result)

    def _take_served(self) -> list[Connection]:
        served = [call for call in self.calls if call.done()][:1]
        self.calls = [call for call in self.calls if call not in served]
        return [call.result() for call in served]


@given(st.lists(st.sampled_from([Life.ask, Life.answer, Life.waste, Life.give_up, Life.break_one])), st.integers(1, 3))
def test_places_are_never_lost_nor_too_many(play, steps, places):
    """Whatever happens in whatever order: never more connections than places, and in the end every place can be had."""

    async def live(_rig) -> None:
        life = Life(places)
        for step in steps:
            step(life)
            for _ in range(4):
                await asyncio.sleep(0)
            assert life.pool.count_now()["open"] <= places
        await life.end()
        async with asyncio.timeout(5):
            for connection in [await life.pool.acquire(in_a_while()) for _ in range(places)]:
                life.pool.release(connection)
        life.pool.close()
        life.peers.close()

    play(live)
