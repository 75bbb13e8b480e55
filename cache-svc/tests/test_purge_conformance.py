"""What every store promises when it is told to forget, over all of them."""

import pytest

from cache_svc.store import Entry, Labels, Selection

ACME, OTHER = "acme", "ac"
LABELS = {
    b"a": Labels(ACME, "fast", ("red", "round")),
    b"b": Labels(ACME, "smart", ("red",)),
    b"c": Labels(OTHER, "fast", ("round",)),
    b"d": Labels(OTHER, "fastest", ("re",)),
    b"e": Labels(),
}


@pytest.fixture
async def filled(store):
    """Three tenants' answers, named by their first byte."""
    for name, label in LABELS.items():
        assert await store.keep(Entry(name * 32, name, ttl=60, labels=label))
    return store


async def held(store):
    """Which are found by those whose they are."""
    found = [name for name, label in LABELS.items() if await store.look_up(name * 32, label.tenant) is not None]
    return b"".join(found).decode()


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (Selection(key_prefix=b"a" * 32), "bcde"),
        (Selection(key_prefix=b"a"), "bcde"),
        (Selection(key_prefix=b"a" * 5 + b"b"), "abcde"),
        (Selection(tenant=ACME), "cde"),
        (Selection(tenant=OTHER), "abe"),
        (Selection(model="fast"), "bde"),
        (Selection(tag="red"), "cde"),
        (Selection(tag="re"), "abce"),
        (Selection(tenant=ACME, model="fast"), "bcde"),
        (Selection(tenant=OTHER, tag="red"), "abcde"),
        (Selection(tenant=ACME, tag="red", key_prefix=b"b"), "acde"),
        (Selection(tenant="nobody"), "abcde"),
        (Selection(everything=True), ""),
        (Selection(everything=True, model="fast"), "bde"),
    ],
)
async def test_what_fits_is_forgotten_and_counted_and_nothing_else(filled, selection, left):
    assert await filled.purge(selection) == len("abcde") - len(left)
    assert await held(filled) == left


async def test_a_purge_that_is_repeated_finds_nothing(filled):
    assert await filled.purge(Selection(tenant=ACME)) == 2
    assert await filled.purge(Selection(tenant=ACME)) == 0


async def test_an_answer_is_found_by_its_present_labels_only(filled):
    await filled.keep(Entry(b"a" * 32, b"a", ttl=60, labels=Labels(OTHER, "smart", ("blue",))))
    assert await filled.purge(Selection(tenant=ACME, model="fast")) == 0
    assert await filled.purge(Selection(tag="round")) == 1
    assert await filled.purge(Selection(tag="blue")) == 1
    assert await held(filled) == "bde"


async def test_an_answer_that_is_kept_again_after_a_purge_stays(filled):
    await filled.purge(Selection(tenant=ACME))
    await filled.keep(Entry(b"a" * 32, b"anew", ttl=60, labels=Labels(ACME, "fast")))
    assert await filled.look_up(b"a" * 32, ACME) == b"anew"
    assert await filled.purge(Selection(tenant=ACME)) == 1


async def test_a_purge_of_more_than_a_step_forgets_all(store):
    for number in range(100):
        assert await store.keep(
            Entry(number.to_bytes(32), b"body", ttl=60, labels=Labels(ACME if number % 2 else OTHER))
        )
    assert await store.purge(Selection(tenant=ACME)) == 50
    assert await store.purge(Selection(everything=True)) == 50
    assert (await store.take_stock()).entries == 0
