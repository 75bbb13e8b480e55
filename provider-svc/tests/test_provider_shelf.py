"""What is just over is kept for a moment, within bounds, and whoever keeps its name is told when it goes."""

import pytest

from chassis.testing import FakeClock
from provider_svc.call import Call
from provider_svc.flight import Flight
from provider_svc.provider import Chunk
from provider_svc.settings import ProviderSettings
from provider_svc.shelf import Shelf
from provider_svc.shelves import Shelves

BOUNDS = ProviderSettings(ring=100)
LINGER = 5.0


class Rack:
    """A shelf, and the flights that it let go."""

    def __init__(self):
        self.clock, self.gone = FakeClock(), []
        self.shelf = Shelf(3, 60, self.clock, self.gone.append)

    def put(self, chunks=0, seconds=LINGER):
        flight = Flight([], BOUNDS, None)
        for _ in range(chunks):
            flight.add(Chunk(b"x" * 10, (10,)))
        self.shelf.put(flight, seconds)
        return flight


@pytest.fixture
def rack():
    return Rack()


def test_the_shelf_forgets_after_a_while(rack):
    flight = rack.put()
    rack.clock.advance(4.9)
    rack.shelf.expire()
    assert flight in rack.shelf
    rack.clock.advance(0.2)
    rack.shelf.expire()
    assert flight not in rack.shelf
    assert rack.gone == [flight]


def test_each_stays_for_its_own_time(rack):
    """Whichever was put first."""
    patient, hasty = rack.put(seconds=60.0), rack.put(seconds=1.0)
    rack.clock.advance(1.1)
    rack.shelf.expire()
    assert (rack.gone, len(rack.shelf)) == ([hasty], 1)
    late = rack.put(seconds=1.0)
    rack.clock.advance(1.1)
    rack.shelf.expire()
    assert rack.gone == [hasty, late]
    rack.clock.advance(60.0)
    rack.shelf.expire()
    assert rack.gone == [hasty, late, patient]


def test_the_shelf_is_bounded_in_flights_and_bytes(rack):
    flights = [rack.put() for _ in range(4)]
    assert rack.gone == flights[:1]
    flights.append(rack.put(chunks=6))
    assert rack.gone == flights[:2]
    flights.append(rack.put(chunks=6))
    assert rack.gone == flights[:5]
    assert len(rack.shelf) == 1


def test_what_is_put_twice_counts_once(rack):
    flight = rack.put(chunks=6)
    rack.shelf.put(flight, LINGER)
    assert rack.gone == []
    rack.shelf.take(flight)
    rack.shelf.take(flight)
    assert len(rack.shelf) == 0
    assert (rack.put(chunks=6) in rack.shelf, rack.gone) == (True, [])


async def test_what_may_be_come_back_to_crowds_out_nothing_else_and_stays_for_its_window():
    """Each kind has bounds of its own."""
    clock, gone = FakeClock(), []
    bounds = ProviderSettings(ring=100, linger=5.0, max_lingering=2, max_kept=2)
    shelves = Shelves(bounds, clock, gone.append)
    flights = []
    for window in (60.0, 0.0, 60.0, 0.0, 60.0, 1.0):
        flights.append(Flight([], bounds, None))
        flights[-1].admit(Call("c", "t", 0.0, resume_window=window))
        shelves.put(flights[-1])
    assert gone == [flights[0], flights[2]]
    clock.advance(4.9)
    shelves.expire()
    assert len(gone) == 2
    clock.advance(0.2)
    shelves.expire()
    assert gone[2:] == [flights[1], flights[3], flights[5]]
    shelves.take(flights[4])
    assert flights[4] not in shelves
    shelves.close()
