"""Labels in front of an answer say what it was kept under, and take nothing from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_svc import redis_labels
from cache_svc.store import Labels, Selection

names = st.text(max_size=8)
labels = st.builds(Labels, names, names, st.lists(names, max_size=16).map(tuple))
LARGEST = Labels("tenant", "model", tuple(f"tag-{number}" for number in range(16)))


@given(labels, st.binary(max_size=300))
def test_the_body_comes_back_whole(labels, body):
    assert redis_labels.read_body(redis_labels.write(labels, body)) == body


@given(labels, st.builds(Selection, tenant=names, model=names, tag=names), st.binary(max_size=300))
def test_what_a_selection_fits_is_found_by_its_head(labels, selection, body):
    head = redis_labels.write(labels, body)[: redis_labels.HEAD]
    assert (redis_labels.wanted(selection) <= redis_labels.read_digests(head)) == selection.fits(b"", labels)


def test_all_labels_that_an_answer_may_have_stand_in_its_head():
    head = redis_labels.write(LARGEST, b"body")[: redis_labels.HEAD]
    assert len(redis_labels.read_digests(head)) == redis_labels.MOST
    assert redis_labels.wanted(Selection(tag="tag-15")) <= redis_labels.read_digests(head)
    with pytest.raises(ValueError, match="at most 18 labels"):
        redis_labels.write(Labels("tenant", "model", tuple(map(str, range(17)))), b"")


def test_a_name_means_something_else_as_another_kind():
    kept = redis_labels.read_digests(redis_labels.write(Labels("red", "red"), b""))
    assert len(kept) == 2
    assert not redis_labels.wanted(Selection(tag="red")) <= kept


def test_nothing_of_a_label_can_be_read():
    assert b"tenant" not in (kept := redis_labels.write(LARGEST, b""))
    assert b"model" not in kept and b"tag" not in kept


def test_an_answer_that_is_gone_has_no_labels():
    assert redis_labels.read_digests(b"") == frozenset()
