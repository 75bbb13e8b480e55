"""A host's addresses: looked up rarely, shared, used on while nothing better is known, and left when they are gone."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.http1 import addresses
from provider_svc.http1.addresses import LONGEST_STALE, PATIENCE, AddressBook
from provider_svc.http1.counts import Counts

TTL = 30.0
NOWHERE = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def at(host: str) -> addresses.Address:
    return (socket.AF_INET, (host, 443))


class Names:
    """A name server and a clock in the test's hands. While `go_on` is not set a look-up hangs."""

    def __init__(self, monkeypatch) -> None:
        self.answers: list[str] = ["10.0.0.1"]
        self.failure: Exception | None = None
        self.asked = 0
        self.now = 1_000.0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.counts = Counts()
        monkeypatch.setattr(addresses, "look_up", self._look_up)

    def book(self, host: str = "provider.example", ttl: float = TTL) -> AddressBook:
        book = AddressBook(host, 443, ttl, self.counts)
        book._time = lambda: self.now
        return book

    async def find(self, book: AddressBook) -> list[str]:
        return [name[0] for _, name in await book.find()]

    async def _look_up(self, host: str, port: int) -> list[addresses.Address]:
        self.asked += 1
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        return [at(host) for host in self.answers]


@pytest.fixture
def names(monkeypatch) -> Names:
    return Names(monkeypatch)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_name_is_looked_up_once_within_its_time(names):
    book = names.book()
    for passed in (0, TTL - 1, 1, TTL - 1):
        names.now += passed
        await book.find()
    assert (names.asked, names.counts.look_ups.value) == (2, 2)


async def test_an_address_in_place_of_a_name_is_never_asked_for_again(names):
    book = names.book("127.0.0.1")
    await book.find()
    names.now += 1e6
    assert await names.find(book) == ["10.0.0.1"]
    assert names.asked == 1


async def test_all_who_ask_at_once_share_one_look_up_and_one_who_leaves_does_not_end_it(names):
    names.go_on.clear()
    book = names.book()
    asking = [asyncio.create_task(book.find()) for _ in range(5)]
    await settle()
    asking[0].cancel()
    await settle()
    names.go_on.set()
    assert await asyncio.gather(*asking[1:]) == [[at("10.0.0.1")]] * 4
    assert names.asked == 1


async def test_an_address_is_used_on_while_look_ups_fail_but_not_for_ever(names):
    book = names.book()
    await book.find()
    names.failure = NOWHERE
    names.now += TTL
    assert await names.find(book) == ["10.0.0.1"]
    assert await names.find(book) == ["10.0.0.1"]
    assert (names.asked, names.counts.look_up_failures.value) == (2, 1)  # and the next waits a second
    names.now += LONGEST_STALE
    with pytest.raises(socket.gaierror):
        await book.find()
    names.failure = None
    assert await names.find(book) == ["10.0.0.1"]


async def test_a_look_up_that_hangs_holds_nobody_up_who_knows_an_address(names, monkeypatch):
    monkeypatch.setattr(addresses, "PATIENCE", 0.01)
    assert PATIENCE < 5  # the connect timeout
    book = names.book()
    await book.find()
    names.go_on.clear()
    names.now += TTL
    async with asyncio.timeout(5):
        assert await names.find(book) == ["10.0.0.1"]
    book.close()


async def test_an_address_that_did_not_connect_is_the_last_for_a_while(names):
    names.answers = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    book = names.book("127.0.0.1")
    await book.find()
    book.avoid(at("10.0.0.1"))
    assert await names.find(book) == ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
    names.now += addresses.AVOIDED
    assert await names.find(book) == names.answers


async def test_an_address_is_gone_when_two_look_ups_did_not_have_it_and_the_book_says_so(names):
    told = []
    names.answers = ["10.0.0.1", "10.0.0.2"]
    book = names.book()
    book.on_gone = lambda: told.append([peer for peer in ("10.0.0.1", "10.0.0.2") if not book.leads_to((peer, 443))])
    await book.find()
    names.answers = ["10.0.0.2"]
    for expected in ([], [["10.0.0.1"]], [["10.0.0.1"]]):
        names.now += TTL
        await book.find()
        assert told == expected
    assert book.leads_to(("10.0.0.2", 443))
    names.answers.append("10.0.0.1")
    names.now += TTL
    await book.find()
    assert book.leads_to(("10.0.0.1", 443))


@given(st.integers(2, 6), st.integers(1, 6))
def test_a_name_that_shows_its_addresses_in_turn_has_not_moved(play, many, shown):
    """Of many addresses some each time, so that each comes again at every second look-up at the latest."""
    count = min(many, shown * 2)

    async def scene(_rig) -> None:
        with pytest.MonkeyPatch.context() as patch:
            names = Names(patch)
            book = names.book()
            every = [f"10.0.0.{number}" for number in range(count)]
            for look in range(8):
                names.answers = [every[(look * shown + number) % count] for number in range(shown)]
                names.now += TTL
                await book.find()
                assert look == 0 or all(book.leads_to((peer, 443)) for peer in every)

    play(scene)


async def test_asking_whether_a_peer_is_current_refreshes_but_waits_for_nothing(names):
    book = names.book(ttl=0.0)
    await book.find()
    names.now += 1
    for _ in range(10):
        assert book.leads_to(("10.0.0.1", 443))
        await settle()
    assert names.asked == 2


async def test_closing_gives_a_look_up_up(names):
    names.go_on.clear()
    book = names.book()
    asking = asyncio.create_task(book.find())
    await settle()
    book.close()
    with pytest.raises(OSError, match="given up"):
        await asking
