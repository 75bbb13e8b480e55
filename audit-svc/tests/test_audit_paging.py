"""Page tokens and page sizes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_svc.paging import cut_page, page_size, read_token, write_token
from audit_svc.store import Conditions, Entry, Position
from chassis.errors import Reason, RunestoneError

LAST = Position(1_800_000_000_000_000_000, "req_1")


@given(started_at=st.integers(-(1 << 63), (1 << 63) - 1), request_id=st.text(st.characters(codec="utf-8")))
def test_a_token_says_where_its_page_ended(started_at, request_id):
    """Any position comes back whole."""
    last = Position(started_at, request_id)
    assert last == read_token(write_token(Conditions(tenant="acme"), last), Conditions(tenant="acme"))


def test_no_token_is_the_first_page():
    """There is nothing to continue."""
    assert read_token("", Conditions()) is None


@pytest.mark.parametrize(
    "other",
    [
        Conditions(),
        Conditions(tenant="globex", status=200),
        Conditions(tenant="acme"),
        Conditions(tenant="acme", status=200, since=0),
        Conditions(model="acme", status=200),
    ],
)
def test_a_token_of_another_search_is_refused(other):
    """Each condition is part of what a token is bound to."""
    token = write_token(Conditions(tenant="acme", status=200), LAST)
    with pytest.raises(RunestoneError) as caught:
        read_token(token, other)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "page_token")


@given(token=st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_no_token_is_refused(token):
    """Never a crash, never a wrong page."""
    with pytest.raises(RunestoneError) as caught:
        read_token(token, Conditions())
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize(("asked", "given_size"), [(0, 100), (1, 1), (1_000, 1_000), (1_001, 1_000)])
def test_pages_hold_a_hundred_by_default_and_never_more_than_a_thousand(asked, given_size):
    """What the proto says of page_size."""
    assert page_size(asked) == given_size


@pytest.mark.parametrize(
    ("sizes", "size", "held"),
    [((1, 1, 1), 2, 2), ((1, 1), 2, 2), ((), 2, 0), ((20, 12, 1), 9, 2), ((20, 13), 9, 1), ((40, 1), 9, 1)],
)
def test_a_page_of_large_records_holds_fewer_and_never_none(sizes, size, held):
    """Sizes are in MiB."""
    entries = [
        Entry(request_id=str(number), started_at=0, tenant="", model="", status=200, record=bytes(mebibytes << 20))
        for number, mebibytes in enumerate(sizes)
    ]
    assert len(cut_page(entries, size)) == held
