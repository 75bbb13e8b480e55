"""What every keyring promises, over all of them."""

import asyncio

from cache_svc.encryption.redis_keyring import PREFIX, RedisKeyring


async def test_a_record_is_put_where_nothing_stands(keyring):
    assert await keyring.read("acme") is None
    assert await keyring.swap("acme", None, b"first") == b"first"
    assert await keyring.read("acme") == b"first"
    assert await keyring.read("other") is None


async def test_a_record_is_changed_only_by_who_knows_what_stands_there(keyring):
    await keyring.swap("acme", None, b"first")
    assert await keyring.swap("acme", None, b"second") == b"first"
    assert await keyring.swap("acme", b"else", b"second") == b"first"
    assert await keyring.swap("acme", b"first", b"second") == b"second"
    assert await keyring.read("acme") == b"second"


async def test_of_many_that_put_the_first_record_one_succeeds_and_all_hear_which(keyring):
    records = [str(number).encode() for number in range(30)]
    stand = await asyncio.gather(*(keyring.swap("acme", None, record) for record in records))
    assert len(set(stand)) == 1
    assert await keyring.read("acme") == stand[0]


async def test_a_destroyed_record_does_not_come_back_by_a_change(keyring):
    await keyring.swap("acme", None, b"first")
    assert await keyring.destroy("acme")
    assert await keyring.swap("acme", b"first", b"second") is None
    assert await keyring.read("acme") is None
    assert not await keyring.destroy("acme")


async def test_records_are_bytes_and_owners_are_any_text(keyring):
    for owner in ("", "index", "tenant ", "tenant \u00fc\n", "x" * 500):
        record = bytes(range(256)) + owner.encode()
        assert await keyring.swap(owner, None, record) == record
        assert await keyring.read(owner) == record


async def test_in_redis_a_record_lapses_when_nobody_changes_it_any_more(redis_pool):
    keyring = RedisKeyring(redis_pool, ttl=100)
    await keyring.swap("acme", None, b"first")
    (key,) = await redis_pool.ask("KEYS", PREFIX + "*")
    assert b"acme" not in key
    assert 0 < await redis_pool.ask("PTTL", key) <= 100_000
