"""What every store promises, over all of them."""

import asyncio

from cache_svc.store import OVERHEAD, Entry

ONE, OTHER = b"1" * 32, b"2" * 32
LARGEST = 80_000 // 8 - OVERHEAD - 32


async def test_an_answer_is_found_as_it_was_kept(store):
    body = bytes(range(256))
    assert await store.keep(Entry(ONE, body, ttl=60))
    assert await store.look_up(ONE) == body
    assert await store.look_up(OTHER) is None


async def test_fingerprints_are_bytes_not_text(store):
    for fingerprint in (b"\x00" * 32, b"\xff" * 32, b":*\r\n" * 8):
        assert await store.keep(Entry(fingerprint, fingerprint, ttl=60))
        assert await store.look_up(fingerprint) == fingerprint


async def test_a_later_answer_replaces_an_earlier_one(store):
    await store.keep(Entry(ONE, b"earlier", ttl=60))
    await store.keep(Entry(ONE, b"later", ttl=60))
    assert await store.look_up(ONE) == b"later"
    assert (await store.take_stock()).entries == 1


async def test_an_answer_that_is_over_is_never_given(store):
    assert await store.keep(Entry(ONE, b"short", ttl=0.001))
    assert await store.keep(Entry(OTHER, b"long", ttl=60))
    while await store.look_up(ONE) is not None:
        await asyncio.sleep(0.001)
    assert await store.look_up(OTHER) == b"long"


async def test_a_replacement_has_its_own_time_to_live(store):
    await store.keep(Entry(ONE, b"short", ttl=0.001))
    await store.keep(Entry(ONE, b"long", ttl=60))
    await asyncio.sleep(0.003)
    assert await store.look_up(ONE) == b"long"


async def test_an_entry_may_take_its_share_and_not_a_byte_more(store):
    assert await store.keep(Entry(ONE, b"x" * LARGEST, ttl=60))
    assert not await store.keep(Entry(OTHER, b"x" * (LARGEST + 1), ttl=60))
    assert await store.look_up(OTHER) is None


async def test_an_answer_that_is_not_kept_leaves_the_one_before(store):
    await store.keep(Entry(ONE, b"earlier", ttl=60))
    assert not await store.keep(Entry(ONE, b"x" * (LARGEST + 1), ttl=60))
    assert not await store.keep(Entry(ONE, b"never fresh", ttl=0))
    assert await store.look_up(ONE) == b"earlier"


async def test_stock_counts_what_is_held(store):
    empty = await store.take_stock()
    for number in range(5):
        await store.keep(Entry(bytes([number]) * 32, b"x" * 1000, ttl=60))
    stock = await store.take_stock()
    assert (empty.entries, stock.entries) == (0, 5)
    assert stock.bytes >= empty.bytes + 5 * 1000
