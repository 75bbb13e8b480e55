"""What a replica makes of hints: of its own breakers, and of others'."""

import pytest
from google.protobuf.duration_pb2 import Duration

from provider_svc.hints.outbox import MAX_WAITING
from provider_svc.hints.target_key import write_key
from runestone.hint.v1.hint_pb2 import Hint

GPT = ("openai", "gpt")
NEW = ("openai", "new")


def hint(target=GPT, seconds=30.0, sender="other", key=None):
    written = Hint(key=write_key(*target) if key is None else key, sender=sender, ttl=Duration())
    written.ttl.FromNanoseconds(int(seconds * 1e9))
    return written


def test_another_replicas_opening_is_heard_by_the_target(hints, book, clock, count):
    hints.hear([hint()])
    assert book.find(*GPT).until == clock.monotonic() + 30
    assert count("heard") == 1


def test_own_hints_are_not_heard(hints, book, count):
    hints.hear([hint(sender="me")])
    assert book.find(*GPT).until is None
    assert (hints.recall(*GPT), count("heard")) == (None, 0)


def test_a_hint_that_comes_again_does_not_open_again_what_has_recovered(hints, book, clock, count):
    """Each watch begins with all that holds, and each replica of cache-svc on one Redis tells it."""
    hints.hear([hint(), hint(seconds=29.5)])
    clock.advance(10)
    hints.hear([hint(seconds=20.3)])
    assert (book.find(*GPT).heard, count("heard")) == (1, 1)


def test_a_later_opening_is_news(hints, book, clock):
    hints.hear([hint()])
    clock.advance(10)
    hints.hear([hint()])
    assert book.find(*GPT).heard == 2
    assert hints.recall(*GPT) == clock.monotonic() + 30


def test_short_openings_in_a_row_are_each_news(hints, book, clock):
    for _ in range(3):
        hints.hear([hint(seconds=0.2)])
        clock.advance(0.2)
    assert book.find(*GPT).heard == 3


def test_what_is_said_of_a_target_that_was_never_used_is_recalled_until_it_is_over(hints, clock):
    hints.hear([hint(NEW)])
    assert hints.recall(*NEW) == clock.monotonic() + 30
    clock.advance(29)
    assert hints.recall(*NEW) == clock.monotonic() + 1
    clock.advance(1)
    assert hints.recall(*NEW) is None


def test_a_target_that_is_first_used_is_warned_of_what_holds_and_of_nothing_else(hints, clock, make_target):
    hints.hear([hint(NEW)])
    clock.advance(10)
    warned, unknown = make_target(*NEW), make_target("openai", "unknown")
    hints.warn(warned)
    hints.warn(unknown)
    assert (warned.until, unknown.until) == (clock.monotonic() + 20, None)


@pytest.mark.parametrize("nonsense", [hint(key=b""), hint(key=b"\0\1"), hint(seconds=0), hint(seconds=-1)])
def test_what_is_not_understood_changes_nothing(hints, book, count, nonsense):
    hints.hear([nonsense])
    assert (book.find(*GPT).until, count("heard")) == (None, 0)


def test_nobody_keeps_a_target_open_for_longer_than_five_minutes(hints, book, clock):
    hints.hear([hint(seconds=1e6)])
    hints.tell(*GPT, 1e6)
    assert book.find(*GPT).until == hints.outbox.first.until == clock.monotonic() + 300


def test_a_breaker_that_opens_is_to_be_told(hints, book, clock):
    book.open(*GPT, 10.0)
    assert hints.outbox.first == (write_key(*GPT), clock.monotonic() + 10)


def test_what_there_is_no_room_for_is_dropped_and_counted(hints, count):
    for number in range(MAX_WAITING + 2):
        hints.tell("openai", str(number), 10.0)
    hints.tell("openai", "0", 20.0)
    assert (len(hints.outbox), count("dropped")) == (MAX_WAITING, 2)


def test_names_that_no_key_has_room_for_are_dropped_and_counted(hints, count):
    hints.tell("openai", "m" * 600, 10.0)
    assert (len(hints.outbox), count("dropped")) == (0, 1)
