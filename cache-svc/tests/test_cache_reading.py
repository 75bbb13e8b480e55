"""What CacheService refuses, and with which member at fault."""

import pytest
from google.protobuf.duration_pb2 import Duration

from cache_svc.changes import Mark
from cache_svc.reading import (
    Lifetime,
    read_answer,
    read_fingerprint,
    read_labels,
    read_lifetime,
    read_place,
    read_selection,
    read_tenant,
    read_use,
)
from cache_svc.store import Labels, Selection
from cache_svc.uses import Use
from chassis.errors import Reason, RunestoneError
from runestone.cache.v1 import cache_pb2 as messages
from runestone.common.v1.error_pb2 import Error

YEAR = 365 * 86_400.0
GOOD = messages.Answer(body=b"body", ends=[2, 4], offsets=[Duration(), Duration(nanos=5)])
REFUSAL = messages.Answer(error=Error(message="no such model"))


@pytest.mark.parametrize("answer", [GOOD, REFUSAL, messages.Answer(body=b"document")])
def test_a_body_or_a_refusal_is_an_answer(answer):
    assert read_answer(answer) is answer


@pytest.mark.parametrize(
    ("read", "message", "param"),
    [
        (read_fingerprint, b"", "fingerprint"),
        (read_fingerprint, b"1" * 31, "fingerprint"),
        (read_fingerprint, b"1" * 33, "fingerprint"),
        (read_answer, messages.Answer(provider="sim"), "answer.body"),
        (read_answer, messages.Answer(body=b"body", error=Error()), "answer.error"),
        (read_answer, messages.Answer(body=b"body", ends=[2, 3], offsets=[Duration()] * 2), "answer.ends"),
        (read_answer, messages.Answer(body=b"body", ends=[2, 2, 4], offsets=[Duration()] * 3), "answer.ends"),
        (read_answer, messages.Answer(body=b"body", ends=[3, 2, 4], offsets=[Duration()] * 3), "answer.ends"),
        (read_answer, messages.Answer(body=b"body", ends=[2, 4], offsets=[Duration()]), "answer.offsets"),
        (read_answer, messages.Answer(body=b"body", offsets=[Duration()]), "answer.offsets"),
        (read_labels, messages.Labels(tags=[str(number) for number in range(17)]), "answer.labels.tags"),
        (read_labels, messages.Labels(tags=["ö" * 32 + "x"]), "answer.labels.tags"),
        (read_labels, messages.Labels(tags=[""]), "answer.labels.tags"),
        (read_labels, messages.Labels(tenant="t" * 513), "answer.labels.tenant"),
        (read_labels, messages.Labels(model="m" * 513), "answer.labels.model"),
        (read_selection, messages.Selection(), "selection"),
        (read_selection, messages.Selection(key_prefix=b"1" * 33), "selection.key_prefix"),
        (read_selection, messages.Selection(tag="t" * 65), "selection.tag"),
        (read_tenant, "", "tenant"),
        (read_tenant, "t" * 513, "tenant"),
        (read_place, messages.WatchRequest(after=messages.Mark(epoch="e" * 65)), "after.epoch"),
        (read_use, messages.NoteUseRequest(coalesced=2**63), "coalesced"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(read, message, param):
    with pytest.raises(RunestoneError) as caught:
        read(message)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


@pytest.mark.parametrize("member", ["ttl", "stale_for"])
def test_a_negative_time_is_refused(member):
    with pytest.raises(RunestoneError) as caught:
        read_lifetime(messages.StoreRequest(**{member: Duration(seconds=-1)}), 60)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, member)


@pytest.mark.parametrize(
    ("asked", "default", "expected"),
    [
        (messages.StoreRequest(), 60, Lifetime(60, 0)),
        (messages.StoreRequest(ttl=Duration(nanos=500_000_000)), 60, Lifetime(0.5, 0)),
        (
            messages.StoreRequest(ttl=Duration(seconds=2**62), stale_for=Duration(seconds=2**62)),
            60,
            Lifetime(YEAR, YEAR),
        ),
        (messages.StoreRequest(stale_for=Duration(seconds=30)), 2 * YEAR, Lifetime(YEAR, 30)),
    ],
)
def test_times_are_as_asked_up_to_a_year(asked, default, expected):
    assert read_lifetime(asked, default) == expected


def test_an_answer_is_kept_while_it_is_fresh_or_stale_and_never_when_it_is_not_fresh():
    assert Lifetime(60, 30).kept == 90
    assert Lifetime(0, 30).kept == 0


def test_a_tag_counts_once():
    labels = read_labels(messages.Labels(tenant="acme", model="fast", tags=["b", "a", "b"]))
    assert labels == Labels("acme", "fast", ("b", "a"))


@pytest.mark.parametrize(
    "members",
    [
        {"key_prefix": b"1"},
        {"key_prefix": b"1" * 32},
        {"tenant": "a"},
        {"model": "m"},
        {"tag": "t"},
        {"everything": True},
    ],
)
def test_one_member_is_a_selection(members):
    assert read_selection(messages.Selection(**members)) == Selection(**members)


def test_who_keeps_nothing_has_no_place():
    assert read_place(messages.WatchRequest()) is None
    assert read_place(messages.WatchRequest(after=messages.Mark())) == Mark("", 0)


def test_a_use_is_read_whole():
    told = {"near_hits": 1, "coalesced": 2, "saved_input_tokens": 3, "saved_output_tokens": 4, "near_misses": 5}
    told["saved_nano_usd"] = 6
    assert read_use(messages.NoteUseRequest(**told)) == Use(**told)


def test_money_may_be_more_than_tokens_but_not_anything():
    """A billionth of a dollar is less than most tokens."""
    request = messages.NoteUseRequest(saved_nano_usd=10**13)
    assert read_use(request) == Use(saved_nano_usd=10**13)
    with pytest.raises(RunestoneError):
        read_use(messages.NoteUseRequest(saved_nano_usd=10**13 + 1))
