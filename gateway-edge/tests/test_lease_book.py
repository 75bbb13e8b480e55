"""Which limits have units, what is put back, and what is given up."""

from gateway_edge.limits.account import SECOND, Account
from gateway_edge.limits.book import LeaseBook, Leftover, Limits, Reply
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.verdict import Verdict

NOW = 1_800_000_000 * SECOND


def limit(name: str) -> RequestLimit:
    return RequestLimit((name,), per_minute(6000))


A, B, C = limit("a"), limit("b"), limit("c")


def lease(book: LeaseBook, limits: Limits, units: int, now: int = NOW) -> None:
    verdicts = [Verdict(True, 5000, 0)] * len(limits)
    book.hear(limits, Reply(0, verdicts, [(one.subject[0], units) for one in limits]), now, now)


def test_a_call_is_whole_when_every_limit_had_a_unit():
    book = LeaseBook()
    lease(book, (A, B), 5)
    assert book.hold((A, B), NOW).is_whole
    lacking = book.hold((A, C, B), NOW)
    assert not lacking.is_whole
    assert lacking.lacking == (C,)


def test_units_are_put_back_unless_the_call_was_admitted():
    book = LeaseBook()
    lease(book, (A,), 5)
    with book.hold((A, C), NOW):
        assert book.count_units(NOW) == 4
    assert book.count_units(NOW) == 5
    with book.hold((A,), NOW) as hold:
        hold.keep()
    assert book.count_units(NOW) == 4


def test_a_call_that_waited_takes_all_its_units_or_none():
    book = LeaseBook()
    lease(book, (A,), 5)
    assert book.hold_whole((A, B), NOW) is None
    assert book.count_units(NOW) == 5
    lease(book, (B,), 5)
    assert book.hold_whole((A, B), NOW).is_whole
    assert book.count_units(NOW) == 8


def test_every_limit_says_how_it_stands_in_the_callers_order():
    book = LeaseBook()
    lease(book, (A, C), 5)
    decided = Verdict(False, 0, 60_000_000, 10_000)
    views = book.hold((A, B, C), NOW).fill([decided])
    assert [view.remaining for view in views] == [5004, 0, 5004]
    assert views[1] is decided


def test_a_limit_whose_rate_changed_is_another_limit():
    """Units that were leased under the old rate are not spent under the new one."""
    book = LeaseBook()
    lease(book, (A,), 5)
    assert book.hold((RequestLimit(A.subject, per_minute(60)),), NOW).lacking != ()


def test_what_is_asked_for_counts_as_coming_until_it_was_answered():
    book = LeaseBook()
    for _ in range(5):
        book.hold((A,), NOW)
    with book.asking((A,), NOW) as first, book.asking((A,), NOW) as second:
        assert first == [102]
        assert second == [0]
    with book.asking((A,), NOW) as third:
        assert third == [102]


def test_a_book_that_is_closed_asks_for_nothing():
    book = LeaseBook()
    for _ in range(5):
        book.hold((A,), NOW)
    book.close()
    with book.asking((A,), NOW) as aheads:
        assert aheads == [0]


def test_limits_that_were_not_used_for_a_while_are_given_up():
    book = LeaseBook()
    lease(book, (A, B), 100)
    book.hold((A,), NOW).keep()
    book.hold((B,), NOW + SECOND // 2).keep()
    later = NOW + SECOND
    assert book.give_up(later, idle=SECOND) == [Leftover("a", A, 99)]
    assert len(book) == 1
    assert book.give_up(later, idle=SECOND) == []
    assert book.give_up(later) == [Leftover("b", B, 49)]  # half had lapsed when it was used
    assert len(book) == 0


def test_a_lease_without_units_is_not_returned():
    book = LeaseBook()
    lease(book, (A,), 1)
    book.hold((A,), NOW).keep()
    assert book.give_up(NOW) == []


def test_limits_are_bounded_and_those_used_longest_ago_are_returned():
    book = LeaseBook(max_limits=2)
    for one in (A, B):
        lease(book, (one,), 3)
        book.hold((one,), NOW).keep()
    book.hold((A,), NOW).keep()
    book.hold((C,), NOW)
    assert len(book) == 2
    assert book.give_up(NOW - 1) == [Leftover("b", B, 2)]
    assert book.hold((A,), NOW).is_whole


def test_a_unit_put_back_after_its_lease_was_given_up_is_not_spent_again():
    book = LeaseBook()
    lease(book, (A,), 3)
    with book.hold((A, B), NOW):
        assert book.give_up(NOW) == [Leftover("a", A, 2)]
    assert book.count_units(NOW) == 0


def test_limits_whose_lease_is_low_are_found_once():
    book = LeaseBook()
    lease(book, (A, B), 4)
    for _ in range(2):
        book.hold((A,), NOW).keep()
    hold = book.hold((A, B), NOW)
    assert hold.find_low() == (A,)
    assert hold.find_low() == ()


def test_an_account_that_is_not_known_has_its_burst():
    assert Account(A, NOW).view(NOW) == Verdict(True, 6000, 0)
