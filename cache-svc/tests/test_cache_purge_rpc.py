"""Purge, Shred, Watch and NoteUse over a real socket."""

import asyncio

import pytest

from cache_svc.service import SERVICE
from chassis.client import closing
from chassis.config import Settings
from chassis.errors import Reason, RunestoneError
from chassis.testing import running
from runestone.cache.v1 import cache_pb2 as messages
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.common.v1.error_pb2 import ERROR_REASON_MODEL_NOT_FOUND, Error

ONE, OTHER = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
async def service():
    async with running(SERVICE, Settings()) as (runtime, channel):
        yield runtime, CacheServiceStub(channel)


@pytest.fixture
def stub(service):
    return service[1]


def to_store(fingerprint, tenant="", **members):
    answer = messages.Answer(body=b"body", labels=messages.Labels(tenant=tenant, tags=["red"]))
    return messages.StoreRequest(fingerprint=fingerprint, answer=answer, **members)


def look_up(stub, fingerprint, tenant=""):
    return stub.LookUp(messages.LookUpRequest(fingerprint=fingerprint, tenant=tenant))


def purge(stub, **members):
    return stub.Purge(messages.PurgeRequest(selection=messages.Selection(**members)))


async def test_what_is_purged_is_gone_before_the_purge_is_answered_and_counted(service):
    runtime, stub = service
    await stub.Store(to_store(ONE, "acme"))
    await stub.Store(to_store(OTHER, "other"))
    assert (await purge(stub, tenant="acme")).purged == 1
    assert (await look_up(stub, ONE, "acme")).HasField("miss")
    assert (await look_up(stub, OTHER, "other")).HasField("hit")
    assert (await stub.GetStatistics(messages.GetStatisticsRequest())).purged == 1
    assert "runestone_cache_purged_total 1.0" in runtime.metrics.exposition().decode()


async def test_a_purge_of_nothing_in_particular_is_refused(stub):
    with pytest.raises(RunestoneError) as caught:
        await purge(stub)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, "selection")


async def test_an_answer_is_given_to_its_own_tenant_only(stub):
    """Even were two tenants' fingerprints the same."""
    await stub.Store(to_store(ONE, "acme"))
    for stranger in ("", "acm", "other"):
        assert (await look_up(stub, ONE, stranger)).HasField("miss")
    assert (await look_up(stub, ONE, "acme")).hit.labels.tags == ["red"]


async def test_a_kept_refusal_comes_back_as_a_refusal(stub):
    answer = messages.Answer(error=Error(reason=ERROR_REASON_MODEL_NOT_FOUND, message="no such model"))
    assert (await stub.Store(messages.StoreRequest(fingerprint=ONE, answer=answer))).stored
    hit = (await look_up(stub, ONE)).hit
    assert (hit.error.reason, hit.body) == (ERROR_REASON_MODEL_NOT_FOUND, b"")


async def test_an_answer_says_how_long_it_is_fresh_and_stale(stub):
    request = to_store(ONE)
    request.ttl.FromMilliseconds(1500)
    request.stale_for.FromSeconds(60)
    request.answer.fresh_for.FromSeconds(9)
    await stub.Store(request)
    hit = (await look_up(stub, ONE)).hit
    assert (hit.fresh_for.ToMilliseconds(), hit.stale_for.ToMilliseconds()) == (1500, 60_000)


async def test_marks_say_how_far_the_log_has_come_and_copies_are_allowed(stub):
    first = await stub.Store(to_store(ONE))
    await purge(stub, tag="red")
    missed = await look_up(stub, ONE)
    again = await stub.Store(to_store(ONE))
    hit = await look_up(stub, ONE)
    assert [part.mark.version for part in (first, missed, again, hit)] == [0, 1, 1, 1]
    assert len({part.mark.epoch for part in (first, missed, again, hit)}) == 1
    assert first.may_copy
    assert hit.may_copy


async def test_a_watcher_hears_of_purges_and_replacements(stub):
    await stub.Store(to_store(ONE))
    async with closing(stub.Watch(messages.WatchRequest(), timeout=20)) as letters:
        first = await anext(letters)
        assert (first.mark.version, first.dropped, first.reset) == (0, [], False)
        assert (await stub.GetStatistics(messages.GetStatisticsRequest())).watchers == 1
        await purge(stub, tenant="acme", model="fast", tag="red", key_prefix=b"\x01", everything=True)
        replaced = await stub.Store(to_store(ONE, replaces=True))
        dropped = []
        while len(dropped) < 2:
            dropped += (await anext(letters)).dropped
    everything = messages.Selection(tenant="acme", model="fast", tag="red", key_prefix=b"\x01", everything=True)
    assert dropped == [everything, messages.Selection(key_prefix=ONE)]
    assert replaced.mark.version == 2


async def test_a_successor_that_has_no_place_still_ends_the_copies_of_the_answer_before(stub):
    await stub.Store(to_store(ONE))
    request = to_store(ONE, replaces=True)
    request.answer.body = bytes(33 << 20)
    response = await stub.Store(request)
    assert (response.stored, response.mark.version) == (False, 1)
    async with closing(
        stub.Watch(messages.WatchRequest(after=messages.Mark(epoch=response.mark.epoch)), timeout=20)
    ) as letters:
        assert (await anext(letters)).dropped == [messages.Selection(key_prefix=ONE)]


async def test_a_watcher_from_another_time_is_reset(stub):
    request = messages.WatchRequest(after=messages.Mark(epoch="before", version=3))
    async with closing(stub.Watch(request, timeout=20)) as letters:
        assert (await anext(letters)).reset


async def test_a_watcher_that_leaves_is_counted_no_more(service):
    runtime, stub = service
    async with closing(stub.Watch(messages.WatchRequest(), timeout=20)) as letters:
        await anext(letters)
        assert "runestone_cache_watchers 1.0" in runtime.metrics.exposition().decode()
    while (await stub.GetStatistics(messages.GetStatisticsRequest())).watchers:
        await asyncio.sleep(0.01)


async def test_shredding_where_nothing_is_encrypted_is_a_purge(stub):
    await stub.Store(to_store(ONE, "acme"))
    shredded = await stub.Shred(messages.ShredRequest(tenant="acme"))
    assert (shredded.purged, shredded.key_destroyed) == (1, False)
    assert (await look_up(stub, ONE, "acme")).HasField("miss")
    with pytest.raises(RunestoneError) as caught:
        await stub.Shred(messages.ShredRequest())
    assert caught.value.reason is Reason.INVALID_REQUEST


async def test_what_callers_answered_themselves_is_added_up(service):
    runtime, stub = service
    note = messages.NoteUseRequest(
        near_hits=1,
        coalesced=2,
        saved_input_tokens=30,
        saved_output_tokens=40,
        near_misses=5,
        saved_nano_usd=5 * 10**8,
    )
    for _ in range(2):
        await stub.NoteUse(note)
    now = await stub.GetStatistics(messages.GetStatisticsRequest())
    assert now.saved_nano_usd == 10**9
    assert (now.near_hits, now.coalesced, now.saved_input_tokens, now.saved_output_tokens) == (2, 4, 60, 80)
    assert now.near_misses == 10
    assert not now.encrypted
    exposition = runtime.metrics.exposition().decode()
    assert "runestone_cache_near_hits_total 2.0" in exposition
    assert "runestone_cache_near_misses_total 10.0" in exposition
    assert "runestone_cache_coalesced_total 4.0" in exposition
    assert 'runestone_cache_saved_tokens_total{direction="output"} 80.0' in exposition
    assert "runestone_cache_saved_dollars_total 1.0" in exposition
