"""Data keys are the same in every process, change in time, and are gone everywhere when they were destroyed."""

import asyncio

import pytest

from cache_svc.encryption import data_keys
from cache_svc.encryption.data_keys import FRESHNESS
from cache_svc.encryption.keyring import MemoryKeyring
from cache_svc.encryption.ring import LONGEST_LIFE, LONGEST_USE, MOST_KEYS, SHARE
from cache_svc.encryption.wrapping import LockedError, read_record

NEXT_MASTER = b"n" * 32
FIRST_MASTER = bytes(range(32))


class CountingKeyring(MemoryKeyring):
    """Knows how often it was read."""

    readings = 0

    async def read(self, owner):
        self.readings += 1
        return await super().read(owner)


async def test_all_processes_come_to_one_key(new_keys):
    """However many need the first one at once."""
    rings = await asyncio.gather(*(new_keys().ensure("acme") for _ in range(20)))
    assert len({ring.newest for ring in rings}) == 1


async def test_owners_have_keys_of_their_own(new_keys):
    keys = new_keys()
    acme, other = await keys.ensure("acme"), await keys.ensure("other")
    assert acme.newest.secret != other.newest.secret
    assert await keys.find("nobody") is None


async def test_a_ring_is_used_for_two_seconds_without_asking(new_keys, clock):
    ring = CountingKeyring()
    await new_keys(ring=ring).ensure("acme")
    keys = new_keys(ring=ring)
    asked = ring.readings
    for _ in range(5):
        await keys.find("acme")
    assert ring.readings == asked + 1
    clock.advance(FRESHNESS)
    await keys.find("acme")
    assert ring.readings == asked + 2


async def test_what_was_missing_is_asked_for_every_time(new_keys):
    """So that what one process makes the next sees at once."""
    one, other = new_keys(), new_keys()
    assert await one.find("acme") is None
    made = await other.ensure("acme")
    found = await one.find("acme")
    assert found is not None
    assert found.newest == made.newest


async def test_a_destroyed_key_is_gone_here_at_once_and_elsewhere_within_two_seconds(new_keys, clock):
    here, elsewhere = new_keys(), new_keys()
    await here.ensure("acme")
    destroyed = (await elsewhere.ensure("acme")).newest
    assert await here.destroy("acme")
    assert await here.find("acme") is None
    clock.advance(FRESHNESS)
    assert await elsewhere.find("acme") is None
    assert (await elsewhere.ensure("acme")).newest.secret != destroyed.secret
    assert not await here.destroy("nobody")


@pytest.mark.parametrize("wear", ["age", "share"])
async def test_a_worn_key_unseals_and_a_new_one_seals(new_keys, clock, wear):
    keys = new_keys()
    ring = await keys.ensure("acme")
    worn = ring.newest
    if wear == "age":
        clock.advance(LONGEST_USE)
    else:
        ring.spent = SHARE
    after = await keys.ensure("acme")
    assert after.newest != worn
    assert after.find(worn.id) == worn
    assert await keys.ensure("acme") is after


async def test_processes_that_find_a_key_worn_at_once_change_it_once(new_keys, clock):
    processes = [new_keys() for _ in range(10)]
    for keys in processes:
        await keys.ensure("acme")
    clock.advance(LONGEST_USE)
    rings = await asyncio.gather(*(keys.ensure("acme") for keys in processes))
    assert {len(ring.keys) for ring in rings} == {2}
    assert len({ring.newest for ring in rings}) == 1


async def test_a_key_that_must_last_is_never_changed(new_keys, clock):
    keys = new_keys()
    made = (await keys.ensure("index", for_sealing=False)).newest
    clock.advance(LONGEST_USE)
    assert (await keys.ensure("index", for_sealing=False)).newest == made


async def test_keys_that_nothing_can_be_sealed_with_any_more_are_dropped(new_keys, clock):
    keys = new_keys()
    first = (await keys.ensure("acme")).newest
    clock.advance(LONGEST_USE)
    await keys.ensure("acme")
    clock.advance(LONGEST_LIFE)
    ring = await keys.ensure("acme")
    assert len(ring.keys) == 2
    assert ring.find(first.id) is None


async def test_a_record_never_holds_more_keys_than_have_room(new_keys, keyring):
    keys = new_keys()
    for _ in range(MOST_KEYS + 5):
        (await keys.ensure("acme")).spent = SHARE
    assert len(read_record(await keyring.read("acme"))) == MOST_KEYS


async def test_keys_of_a_previous_master_key_are_read_and_wrapped_anew(new_keys, keyring):
    made = (await new_keys(FIRST_MASTER).ensure("acme")).newest
    assert (await new_keys(NEXT_MASTER, previous=[FIRST_MASTER]).ensure("acme")).newest == made
    assert (await new_keys(NEXT_MASTER).ensure("acme")).newest == made
    with pytest.raises(LockedError):
        await new_keys(FIRST_MASTER).find("acme")


async def test_keys_wrapped_anew_do_not_come_back_when_destroyed_meanwhile(new_keys, keyring):
    """The other process reads, then the key is destroyed, then the other writes."""
    await new_keys(FIRST_MASTER).ensure("acme")

    class Interrupted(type(keyring)):
        def __init__(self):
            pass

        async def read(self, owner):
            record = await keyring.read(owner)
            await keyring.destroy(owner)
            return record

        async def swap(self, owner, before, after):
            return await keyring.swap(owner, before, after)

    await new_keys(NEXT_MASTER, previous=[FIRST_MASTER], ring=Interrupted()).find("acme")
    assert await keyring.read("acme") is None


async def test_what_no_master_key_opens_is_left_as_it_is(new_keys, keyring):
    await new_keys(FIRST_MASTER).ensure("acme")
    before = await keyring.read("acme")
    for ask in (new_keys(NEXT_MASTER).find, new_keys(NEXT_MASTER).ensure):
        with pytest.raises(LockedError):
            await ask("acme")
    assert await keyring.read("acme") == before


async def test_a_record_of_one_owner_is_locked_for_another(new_keys, keyring):
    await new_keys().ensure("acme")
    await keyring.swap("other", None, await keyring.read("acme"))
    with pytest.raises(LockedError):
        await new_keys().find("other")


async def test_rings_known_here_are_bounded(new_keys, monkeypatch):
    monkeypatch.setattr(data_keys, "MOST_RINGS", 3)
    keys = new_keys()
    for owner in "abcde":
        await keys.ensure(owner)
    assert repr(keys).startswith("DataKeys(3 owners")
