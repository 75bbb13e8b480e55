"""An encrypted tenant's answers are read by nobody but the service, and by that only while the tenant's key is there."""

import json
from dataclasses import replace

import pytest

from cache_svc.encryption.data_keys import FRESHNESS
from cache_svc.encryption.ring import LONGEST_USE
from cache_svc.store import Entry, Labels, Selection
from chassis.errors import Reason, RunestoneError

ONE, OTHER = b"1" * 32, b"2" * 32
ACME = Labels("canary-tenant", "canary-model", ("canary-tag", "canary-batch"))
ENTRY = Entry(ONE, b"canary-answer", 60, ACME)
NEXT_MASTER = b"n" * 32


class Eavesdropper:
    """Knows what the store under the seal was given, and can put it back elsewhere."""

    def __init__(self, inner):
        self._inner = inner
        self.kept = []

    async def keep(self, entry):
        self.kept.append(entry)
        return await self._inner.keep(entry)

    def __getattr__(self, name):
        return getattr(self._inner, name)


@pytest.fixture
def inner(inner):
    return Eavesdropper(inner)


async def test_what_one_process_seals_another_opens(new_store, outcomes):
    (one, _), (other, _) = new_store(), new_store()
    assert await other.look_up(ONE, ACME.tenant) is None
    assert await one.keep(ENTRY)
    assert await other.look_up(ONE, ACME.tenant) == b"canary-answer"
    assert await other.look_up(OTHER, ACME.tenant) is None
    assert outcomes == {"opened": 1}


async def test_answers_that_tenants_share_are_sealed_where_everybodys_are(new_store, inner):
    store, _ = new_store(tenants=["*"])
    await store.keep(Entry(ONE, b"canary-answer", 60))
    assert await store.look_up(ONE) == b"canary-answer"
    assert b"canary" not in inner.kept[0].body


async def test_other_tenants_answers_are_kept_as_they_are(new_store, inner, outcomes):
    store, _ = new_store(tenants=["acme*"])
    for tenant in ("", "other"):
        entry = replace(ENTRY, labels=Labels(tenant))
        assert await store.keep(entry)
        assert inner.kept[-1] == entry
        assert await store.look_up(ONE, tenant) == b"canary-answer"
    assert not outcomes


async def test_sealing_the_same_answer_twice_gives_different_bytes(new_store, inner):
    store, _ = new_store()
    await store.keep(ENTRY)
    await store.keep(ENTRY)
    first, second = inner.kept
    assert first.body != second.body
    assert first.fingerprint == second.fingerprint


async def test_a_damaged_answer_is_a_miss_that_is_counted(new_store, inner, outcomes):
    store, _ = new_store()
    await store.keep(ENTRY)
    (sealed,) = inner.kept
    damages = [sealed.body[:-1], sealed.body[:20], b"\x02" + sealed.body[1:], b"x", sealed.body[:-1] + b"!"]
    for body in damages:
        await inner.keep(replace(sealed, body=body))
        assert await store.look_up(ONE, ACME.tenant) is None
    assert outcomes == {"damaged": len(damages)}


async def test_an_answer_moved_to_another_question_or_tenant_is_a_miss(new_store, inner, outcomes):
    store, _ = new_store()
    for entry in (ENTRY, replace(ENTRY, fingerprint=OTHER), replace(ENTRY, labels=replace(ACME, tenant="other"))):
        await store.keep(entry)
    mine, other_question, other_tenant = inner.kept
    await inner.keep(replace(mine, fingerprint=other_question.fingerprint))
    assert await store.look_up(OTHER, ACME.tenant) is None
    await inner.keep(replace(other_tenant, fingerprint=mine.fingerprint))
    assert await store.look_up(ONE, ACME.tenant) is None
    assert outcomes == {"damaged": 1, "no_key": 1}


async def test_one_tenants_answer_is_nothing_to_another(new_store):
    """Even where both ask under one fingerprint, which theirs never are."""
    store, _ = new_store()
    await store.keep(replace(ENTRY, labels=replace(ACME, tenant="other")))
    await store.keep(Entry(OTHER, b"mine", 60, ACME))
    assert await store.look_up(ONE, ACME.tenant) is None


async def test_a_shredded_tenants_answers_stay_unreadable_when_they_are_put_back(new_store, inner, clock, outcomes):
    (here, vault), (elsewhere, _) = new_store(), new_store()
    await here.keep(ENTRY)
    await here.keep(replace(ENTRY, labels=replace(ACME, tenant="other"), fingerprint=OTHER))
    assert await elsewhere.look_up(ONE, ACME.tenant) == b"canary-answer"
    assert await vault.destroy(ACME.tenant)
    assert await here.purge(Selection(tenant=ACME.tenant)) == 1
    await inner.keep(inner.kept[0])
    assert await here.look_up(ONE, ACME.tenant) is None
    clock.advance(FRESHNESS)
    assert await elsewhere.look_up(ONE, ACME.tenant) is None
    assert await here.look_up(OTHER, "other") == b"canary-answer"
    assert outcomes["no_key"] == 0  # there is no key at all: nothing is looked for


async def test_after_shredding_new_answers_have_a_new_key(new_store, inner, outcomes):
    store, vault = new_store()
    await store.keep(ENTRY)
    await vault.destroy(ACME.tenant)
    assert await store.keep(replace(ENTRY, body=b"anew"))
    assert await store.look_up(ONE, ACME.tenant) == b"anew"
    await inner.keep(inner.kept[0])
    assert await store.look_up(ONE, ACME.tenant) is None
    assert outcomes == {"opened": 1, "no_key": 1}


async def test_shredding_a_tenant_without_a_key_says_so(new_store):
    _, vault = new_store()
    assert not await vault.destroy("nobody")


async def test_answers_outlive_a_change_of_the_master_key(new_store):
    old, _ = new_store()
    await old.keep(ENTRY)
    changed, _ = new_store(NEXT_MASTER, previous=[bytes(range(32))])
    assert await changed.look_up(ONE, ACME.tenant) == b"canary-answer"
    final, _ = new_store(NEXT_MASTER)
    assert await final.look_up(ONE, ACME.tenant) == b"canary-answer"


async def test_answers_outlive_a_change_of_the_data_key(new_store, inner, clock):
    (store, _), (other, _) = new_store(), new_store()
    await store.keep(replace(ENTRY, ttl=2 * LONGEST_USE))
    await other.look_up(ONE, ACME.tenant)
    clock.advance(LONGEST_USE)
    await store.keep(Entry(OTHER, b"later", 60, ACME))
    first, second = (entry.body[1:9] for entry in inner.kept)
    assert first != second
    for process in (store, other):
        assert await process.look_up(ONE, ACME.tenant) == b"canary-answer"
        assert await process.look_up(OTHER, ACME.tenant) == b"later"


async def test_a_key_that_another_process_made_a_moment_ago_is_found(new_store, outcomes):
    """Other's keys are two seconds fresh, and the answer is sealed with one that it has not heard of."""
    (store, vault), (other, _) = new_store(), new_store()
    await store.keep(ENTRY)
    await other.look_up(ONE, ACME.tenant)
    await vault.destroy(ACME.tenant)
    await store.keep(replace(ENTRY, body=b"anew"))
    assert await other.look_up(ONE, ACME.tenant) == b"anew"
    assert outcomes == {"opened": 2}


async def test_without_the_right_master_key_everything_is_a_miss_and_nothing_is_destroyed(new_store, outcomes):
    right, _ = new_store()
    await right.keep(ENTRY)
    wrong, _ = new_store(NEXT_MASTER)
    assert await wrong.look_up(ONE, ACME.tenant) is None
    assert not await wrong.keep(ENTRY)
    with pytest.raises(RunestoneError) as caught:
        await wrong.purge(Selection(tenant=ACME.tenant))
    assert caught.value.reason is Reason.UNAVAILABLE
    assert outcomes == {"locked": 2}
    assert await right.look_up(ONE, ACME.tenant) == b"canary-answer"


async def test_a_lost_master_key_is_got_over_by_shredding(new_store):
    lost, _ = new_store()
    await lost.keep(ENTRY)
    store, vault = new_store(NEXT_MASTER)
    assert await vault.destroy(ACME.tenant)
    assert await store.keep(ENTRY)
    assert await store.look_up(ONE, ACME.tenant) == b"canary-answer"


@pytest.mark.parametrize(
    ("selection", "left"),
    [
        (Selection(key_prefix=ONE), "bcd"),
        (Selection(key_prefix=b"1"), "cd"),
        (Selection(key_prefix=b"11"), "cd"),
        (Selection(key_prefix=b"1" * 7), "cd"),
        (Selection(tenant="acme"), "cd"),
        (Selection(model="m"), "bd"),
        (Selection(tag="t"), "b"),
        (Selection(tenant="plain"), "abc"),
        (Selection(tenant="acme", model="m"), "bcd"),
        (Selection(everything=True), ""),
        (Selection(everything=True, tag="t"), "b"),
        (Selection(tenant="nobody"), "abcd"),
    ],
    ids=str,
)
async def test_purging_reaches_what_is_sealed_and_what_is_not(new_store, selection, left):
    store, _ = new_store(tenants=["acme", "other"])
    entries = {
        "a": Entry(ONE, b"a", 60, Labels("acme", "m", ("t", "u"))),
        "b": Entry(b"1" * 31 + b"2", b"b", 60, Labels("acme", "n")),
        "c": Entry(OTHER, b"c", 60, Labels("other", "m", ("t",))),
        "d": Entry(b"3" * 32, b"d", 60, Labels("plain", "x", ("t",))),
    }
    for entry in entries.values():
        await store.keep(entry)
    purged = await store.purge(selection)
    found = [
        name
        for name, entry in entries.items()
        if await store.look_up(entry.fingerprint, entry.labels.tenant) is not None
    ]
    assert "".join(found) == left
    assert purged == len(entries) - len(left)


async def test_a_purge_before_anything_was_sealed_is_an_ordinary_one(new_store):
    store, _ = new_store(tenants=["acme"])
    await store.keep(Entry(ONE, b"plain", 60, Labels("plain")))
    assert await store.purge(Selection(tenant="plain")) == 1
    assert await store.purge(Selection(tenant="acme")) == 0


async def test_purging_leaves_the_keys(new_store, inner):
    store, vault = new_store()
    await store.keep(ENTRY)
    ring = await vault.read_keys(ACME.tenant)
    await store.purge(Selection(everything=True))
    assert (await vault.read_keys(ACME.tenant)).newest == ring.newest


@pytest.mark.parametrize("medium", ["redis_pool"], indirect=True)
async def test_nothing_readable_stands_in_redis(new_store, redis_pool):
    """Neither keys nor values, of any type, show answer, tenant, model, tags, fingerprint, or any key."""
    store, vault = new_store()
    await store.keep(replace(ENTRY, body=json.dumps({"content": "canary-answer"}).encode()))
    await store.purge(Selection(tenant="canary-nobody"))
    await store.keep(ENTRY)
    seen = []
    for key in await redis_pool.ask("KEYS", "*"):
        seen += [key, await redis_pool.ask("DUMP", key), await _read(redis_pool, key)]
    text = b"\n".join(seen)
    secrets = [key.secret for key in (await vault.read_keys(ACME.tenant)).keys]
    assert len(seen) >= 9  # an answer, its key, and what hides names
    for canary in (b"canary", ONE, ONE.hex().encode(), bytes(range(32)), *secrets):
        assert canary not in text


async def _read(pool, key):
    kind = (await pool.ask("TYPE", key)).decode()
    commands = {
        "string": ("GET", key),
        "set": ("SMEMBERS", key),
        "hash": ("HGETALL", key),
        "zset": ("ZRANGE", key, 0, -1),
        "stream": ("XRANGE", key, "-", "+"),
    }
    return repr(await pool.ask(*commands[kind])).encode()
