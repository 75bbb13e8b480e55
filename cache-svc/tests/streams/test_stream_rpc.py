"""StreamService over a real socket: what is refused, what is sealed, and what a reader gets."""

import asyncio
import base64

import pytest
from google.protobuf.duration_pb2 import Duration

from cache_svc.service import SERVICE
from chassis.config import Settings
from chassis.config.schema import Cache, Encryption, SharedState
from chassis.config.units import Secret
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool
from chassis.testing import free_port, running
from runestone.stream.v1.stream_pb2 import AppendRequest, ReadRequest
from runestone.stream.v1.stream_pb2_grpc import StreamServiceStub

PATIENT = 20.0
MINUTE = Duration(seconds=60)
MASTER, OTHER = (Secret(base64.b64encode(bytes([number]) * 32).decode()) for number in (1, 2))
EVENTS = [b"data: canary %d\n\n" % number for number in range(1, 8)]


@pytest.fixture(params=["memory", "redis"])
def store(request):
    return "memory" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture(params=["readable", "sealed"])
async def stub(request, store, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)
    encryption = Encryption(master_key=MASTER, tenants=("acme",)) if request.param == "sealed" else None
    settings = Settings(cache=Cache(state=SharedState(store=store), encryption=encryption))
    async with running(SERVICE, settings) as (_, channel):
        yield StreamServiceStub(channel)


def append(first_seq, *events, tenant="acme", stream_id="call-1", ttl=MINUTE, **members):
    ends = [sum(map(len, events[: index + 1])) for index in range(len(events))]
    whole = {"body": b"".join(events), "ends": ends, **members}
    return AppendRequest(tenant=tenant, stream_id=stream_id, first_seq=first_seq, ttl=ttl, **whole)


async def read(stub, after_seq=0, tenant="acme", stream_id="call-1"):
    request = ReadRequest(tenant=tenant, stream_id=stream_id, after_seq=after_seq)
    async with asyncio.timeout(PATIENT):
        return [response async for response in stub.Read(request)]


def events_of(responses):
    """Events by their number; each comes once."""
    found = {}
    for response in responses:
        start = 0
        for number, end in enumerate(response.ends, response.first_seq):
            assert number not in found
            found[number] = response.body[start:end]
            start = end
    return found


async def reason_of(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return caught.value.reason


async def keep_seven(stub):
    await stub.Append(append(1, *EVENTS[:3], head=b"accepted"))
    await stub.Append(append(3, *EVENTS[2:5]))
    await stub.Append(append(6, *EVENTS[5:], end=b"completed"))


@pytest.mark.parametrize("after_seq", range(9))
async def test_a_reader_gets_every_event_behind_its_place_once_and_the_end(stub, after_seq):
    """From inside a piece, too, and where pieces overlap."""
    await keep_seven(stub)
    responses = await read(stub, after_seq)
    assert events_of(responses) == {number: EVENTS[number - 1] for number in range(after_seq + 1, 8)}
    assert [response.head for response in responses] == [b"accepted"] + [b""] * (len(responses) - 1)
    assert [response.end for response in responses] == [b""] * (len(responses) - 1) + [b"completed"]


async def test_an_end_may_come_alone(stub):
    await stub.Append(append(1, EVENTS[0], head=b"accepted"))
    assert [response.end for response in await read(stub)] == [b""]
    await stub.Append(append(2, end=b"completed"))
    (response,) = await read(stub, 1)
    assert (response.head, response.body, response.end) == (b"accepted", b"", b"completed")


async def test_a_stream_is_its_tenants_own(stub):
    """Whatever their names: equal beginnings and delimiters make no difference."""
    await stub.Append(append(1, EVENTS[0], tenant="acme", stream_id="x:y"))
    for tenant, stream_id in [("other", "x:y"), ("acme:x", "y"), ("acm", "ex:y"), ("acme", "x"), ("acme\0x", ":y")]:
        assert await reason_of(read(stub, tenant=tenant, stream_id=stream_id)) is Reason.NOT_FOUND


async def test_a_gap_is_told_by_its_reason(stub):
    await stub.Append(append(1, EVENTS[0]))
    assert await reason_of(stub.Append(append(3, EVENTS[2]))) is Reason.EVENTS_LOST


@pytest.mark.parametrize(
    ("member", "request_"),
    [
        ("tenant", append(1, tenant="")),
        ("tenant", append(1, tenant="t" * 257)),
        ("stream_id", append(1, stream_id="")),
        ("stream_id", append(1, stream_id="ü" * 129)),
        ("head", append(1, head=b"h" * ((16 << 10) + 1))),
        ("end", append(1, end=b"e" * ((64 << 10) + 1))),
        ("ends", append(1, b"abc", ends=[2])),
        ("ends", append(1, b"abc", ends=[])),
        ("ends", append(1, ends=[0])),
        ("ends", append(1, b"abc", ends=[2, 1, 3])),
        ("ends", append(1, b"abc", ends=[0, 3])),
        ("first_seq", append(0, b"abc")),
        ("first_seq", append(1 << 60, b"abc")),
        ("ttl", append(1, ttl=None)),
        ("ttl", append(1, ttl=Duration(seconds=7201))),
    ],
)
async def test_what_makes_no_sense_is_refused(stub, member, request_):
    with pytest.raises(RunestoneError) as caught:
        await stub.Append(request_)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, member)


async def test_nobody_reads_a_sealed_stream_in_redis_or_with_another_key(redis_url, monkeypatch):
    monkeypatch.setattr("chassis.redis.DEADLINE", PATIENT)

    def under(**encryption):
        sealed = Encryption(**{"tenants": ("acme",), **encryption})
        return running(SERVICE, Settings(cache=Cache(state=SharedState(store=redis_url), encryption=sealed)))

    async with under(master_key=MASTER) as (_, channel):
        await keep_seven(StreamServiceStub(channel))
    async with RedisPool(redis_url, deadline=PATIENT) as pool:
        written = [await pool.ask("HGETALL", key) for key in await pool.ask("KEYS", "rs:sm:*")]
        assert written
        for canary in (b"canary", b"accepted", b"completed", b"acme", b"call-1"):
            assert canary not in repr(written).encode()
    async with under(master_key=OTHER) as (_, channel):
        assert await reason_of(read(StreamServiceStub(channel))) is Reason.NOT_FOUND
    async with running(SERVICE, Settings(cache=Cache(state=SharedState(store=redis_url)))) as (_, channel):
        assert await reason_of(read(StreamServiceStub(channel))) is Reason.NOT_FOUND
    for turned in ({"previous_keys": (MASTER,)}, {"previous_keys": (MASTER,), "tenants": ("nobody",)}):
        async with under(master_key=OTHER, **turned) as (_, channel):
            assert len(events_of(await read(StreamServiceStub(channel)))) == 7


async def test_a_store_that_does_not_answer_is_unavailable():
    settings = Settings(cache=Cache(state=SharedState(store=f"redis://127.0.0.1:{free_port()}/0")))
    async with running(SERVICE, settings) as (_, channel):
        stub = StreamServiceStub(channel)
        assert await reason_of(stub.Append(append(1, EVENTS[0]))) is Reason.UNAVAILABLE
        assert await reason_of(read(stub)) is Reason.UNAVAILABLE


async def test_how_much_is_kept_is_told():
    async with running(SERVICE, Settings()) as (runtime, channel):
        await keep_seven(StreamServiceStub(channel))
        exposition = runtime.metrics.exposition().decode()
    assert "runestone_stored_streams 1.0" in exposition
    assert "runestone_stored_stream_bytes 0" not in exposition
