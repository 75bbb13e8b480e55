from msgspec.structs import replace

from chassis.config.providers import Breaker, Ejection, Provider
from provider_svc.health.book import HealthBook
from provider_svc.health.breaker import State
from provider_svc.health.outcome import Outcome

PROVIDER = Provider(name="p", kind="simulated", breaker=Breaker(failures=2, pause=2.0))
OTHER = Provider(name="q", kind="simulated")


def fail(health, now, times=1):
    for _ in range(times):
        health.leave(Outcome.FAILED, now, entry=health.enter(now))


def test_a_target_is_a_provider_and_a_model():
    book = HealthBook()
    fail(book.of(PROVIDER, "a"), 100.0, times=2)
    states = [book.of(*target).state(100.0) for target in ((PROVIDER, "a"), (PROVIDER, "b"), (OTHER, "a"))]
    assert states == [State.OPEN, State.CLOSED, State.CLOSED]
    assert [(health.provider, health.model) for health in book] == [("p", "a"), ("p", "b"), ("q", "a")]


def test_openings_are_told_once_each():
    told = []
    book = HealthBook(lambda *said: told.append(said))
    fail(book.of(PROVIDER, "a"), 100.0, times=9)
    book.of(PROVIDER, "b").hear_open(110.0, 100.0)
    assert told == [("p", "a", 2.0)]


def test_who_listens_may_come_later():
    told = []
    book = HealthBook()
    fail(book.of(PROVIDER, "a"), 100.0, times=2)
    book.on_open = lambda *said: told.append(said)
    fail(book.of(PROVIDER, "a"), 102.0)
    assert told == [("p", "a", 4.0)]


def test_health_survives_a_reload():
    book = HealthBook()
    fail(book.of(PROVIDER, "a"), 100.0, times=2)
    assert book.of(replace(PROVIDER), "a").state(100.0) is State.OPEN


def test_a_reload_changes_the_settings_of_all_its_targets():
    book = HealthBook()
    mine, others = book.of(PROVIDER, "a"), book.of(OTHER, "a")
    fail(mine, 100.0)
    book.of(replace(PROVIDER, breaker=Breaker(failures=3, pause=9.0)), "b")
    fail(mine, 100.0)
    assert mine.state(100.0) is State.CLOSED
    fail(mine, 100.0)
    fail(others, 100.0, times=4)
    assert (mine.retry_at(100.0), others.state(100.0)) == (109.0, State.CLOSED)


def test_a_reload_changes_when_targets_are_ejected():
    book = HealthBook()
    mine = book.of(replace(PROVIDER, breaker=Breaker(failures=99)), "a")
    fail(mine, 100.0, times=5)
    ejection = Ejection(calls=3, interval=30.0, pause=7.0)
    book.of(replace(PROVIDER, breaker=Breaker(failures=99), ejection=ejection), "a")
    fail(mine, 101.0, times=2)
    assert mine.state(101.0) is State.CLOSED, "another interval begins to count anew"
    fail(mine, 101.0)
    assert (mine.state(101.0), mine.retry_at(101.0)) == (State.EJECTED, 108.0)


def test_the_longest_unused_is_forgotten():
    book = HealthBook(capacity=3)
    for model in "abcad":
        book.of(PROVIDER, model)
    assert [health.model for health in book] == ["c", "a", "d"]


def test_what_runs_something_is_never_forgotten():
    """Else its end would be told to nobody, and its breaker would stay as it was."""
    book = HealthBook(capacity=3)
    for model in "abc":
        book.of(PROVIDER, model).enter(100.0)
    for number in range(100):
        book.of(PROVIDER, f"m{number}")
    assert {health.model for health in book if health.running} == {"a", "b", "c"}
    assert len(book) == 4


def test_it_shrinks_again_when_much_has_run_at_once():
    book = HealthBook(capacity=3)
    for number in range(100):
        book.of(PROVIDER, f"m{number}").enter(100.0)
    assert len(book) == 100
    for health in book:
        health.leave(Outcome.ANSWERED, 101.0)
    for number in range(10):
        book.of(PROVIDER, f"n{number}")
    assert len(book) == 3


def test_a_name_of_a_megabyte_is_not_kept():
    """Where a route's name ends in `*`, anyone can make names."""
    book = HealthBook()
    fail(book.of(PROVIDER, "x" * 1_000_000), 100.0, times=2)
    assert [len(health.model) for health in book] == [256]
    assert book.find("p", "x" * 1_000_000).state(100.0) is State.OPEN


def test_looking_is_not_using():
    book = HealthBook(capacity=2)
    for model in "ab":
        book.of(PROVIDER, model)
    assert (book.find("p", "a").model, book.find("p", "z")) == ("a", None)
    book.of(PROVIDER, "c")
    assert [health.model for health in book] == ["b", "c"]


def test_it_shows_its_numbers():
    book = HealthBook(capacity=9)
    book.of(PROVIDER, "a").enter(100.0)
    assert repr(book) == "HealthBook(1/9 targets, 1 calls)"


def test_what_a_route_still_holds_is_one_health_however_many_names_came_since():
    """Routes find their targets once: what is forgotten here must not be another target there."""
    book = HealthBook(capacity=10)
    held = book.of(PROVIDER, "configured")
    for number in range(100):
        book.of(PROVIDER, f"a client's {number}")
    assert len(book) == 10
    assert book.find("p", "configured") is held
    assert book.of(PROVIDER, "configured") is held
    assert held in list(book)
