"""RoomService over a real socket: what is refused, how a watch ends, what is sealed."""

import asyncio
import base64

import pytest
from rooms.room_views import PATIENT

from cache_svc.rooms.store import GRACE
from cache_svc.service import SERVICE
from chassis.client import closing
from chassis.config import Settings
from chassis.config.schema import Cache, Encryption, SharedState
from chassis.config.units import Secret
from chassis.errors import Reason, RunestoneError
from chassis.redis import RedisPool
from chassis.testing import running
from runestone.room.v1 import room_pb2 as messages
from runestone.room.v1.room_pb2_grpc import RoomServiceStub

ROOM = messages.Room(tenant="acme", name="lobby")
MASTER = Secret(base64.b64encode(bytes(range(32))).decode())
ENCRYPTION = Encryption(master_key=MASTER, tenants=("acme",))


@pytest.fixture(params=["memory", "redis"])
def store(request):
    return "memory" if request.param == "memory" else request.getfixturevalue("redis_url")


@pytest.fixture(params=["readable", "sealed"])
def settings(request, store):
    encryption = ENCRYPTION if request.param == "sealed" else None
    return Settings(cache=Cache(state=SharedState(store=store), encryption=encryption))


@pytest.fixture
async def service(settings):
    async with running(SERVICE, settings) as (runtime, channel):
        yield runtime, await ready(RoomServiceStub(channel))


@pytest.fixture
def stub(service):
    return service[1]


async def ready(stub):
    """The service is up before its store has answered."""
    async with asyncio.timeout(PATIENT):
        while True:
            try:
                async with closing(stub.Watch(watch(room=messages.Room(tenant="t", name="first")))) as letters:
                    await anext(letters)
            except RunestoneError:
                await asyncio.sleep(0.02)
            else:
                return stub


def member(ref="m-1", **members):
    return messages.Member(**{"ref": ref, "key": "anna", "meta": b'{"canary": 1}', "edge": "edge-1", **members})


def enter(room=ROOM, **members):
    return messages.EnterRequest(room=room, member=member(**members))


def publish(room=ROOM, is_kept=True, request_id="", **members):
    message = messages.Message(**{"event": "hello", "payload": b'"canary"', "sender": "m-1", **members})
    return messages.PublishRequest(room=room, message=message, is_kept=is_kept, request_id=request_id)


def watch(room=ROOM, edge="edge-2", **members):
    return messages.WatchRequest(room=room, edge=edge, **members)


async def stand(stub, **members):
    async with asyncio.timeout(PATIENT), closing(stub.Watch(watch(**members))) as letters:
        return (await anext(letters)).state


async def test_a_room_is_told_of_as_it_stands_and_as_it_changes(stub):
    await stub.Enter(enter())
    async with asyncio.timeout(PATIENT), closing(stub.Watch(watch())) as letters:
        state = (await anext(letters)).state
        assert list(state.members) == [member()] and state.grace.ToNanoseconds() == GRACE * 1e9
        entered = await stub.Enter(enter(ref="m-2"))
        said = await stub.Publish(publish(position=7))
        await stub.Leave(messages.LeaveRequest(room=ROOM, ref="m-1"))
        changes = []
        while len(changes) < 3:
            changes += (await anext(letters)).changes
    assert [(change.WhichOneof("change"), change.position) for change in changes[:2]] == [
        ("entered", entered.position),
        ("message", said.position),
    ]
    assert changes[0].entered == member("m-2") and changes[2].left == "m-1"
    assert changes[1].message == messages.Message(
        event="hello", payload=b'"canary"', sender="m-1", position=said.position
    )
    history = (await stand(stub, history=10)).messages
    assert list(history) == [changes[1].message]


async def test_a_room_is_its_tenants_own(stub):
    """Whatever their names: equal beginnings and delimiters make no difference."""
    await stub.Enter(enter())
    await stub.Publish(publish())
    for tenant, name in [("other", "lobby"), ("acme:", "lobby"), ("acm", "elobby"), ("acme", "lobby:"), ("a", "lobby")]:
        state = await stand(stub, room=messages.Room(tenant=tenant, name=name), history=10)
        assert (len(state.members), len(state.messages)) == (0, 0)


@pytest.mark.parametrize(
    ("rpc", "request_", "param"),
    [
        ("Enter", enter(room=messages.Room(name="lobby")), "room.tenant"),
        ("Enter", enter(room=messages.Room(tenant="t" * 257, name="lobby")), "room.tenant"),
        ("Enter", enter(room=messages.Room(tenant="acme")), "room.name"),
        ("Enter", enter(room=messages.Room(tenant="acme", name="ü" * 129)), "room.name"),
        ("Enter", enter(ref=""), "member.ref"),
        ("Enter", enter(ref="r" * 65), "member.ref"),
        ("Enter", enter(key="k" * 257), "member.key"),
        ("Enter", enter(meta=b"m" * 4097), "member.meta"),
        ("Enter", enter(edge=""), "member.edge"),
        ("Enter", enter(edge="e" * 65), "member.edge"),
        ("Leave", messages.LeaveRequest(room=ROOM), "ref"),
        ("Publish", publish(event=""), "message.event"),
        ("Publish", publish(event="e" * 65), "message.event"),
        ("Publish", publish(payload=b"p" * ((256 << 10) + 1)), "message.payload"),
        ("Publish", publish(sender="s" * 65), "message.sender"),
        ("Publish", publish(request_id="i" * 65), "request_id"),
    ],
)
async def test_what_makes_no_sense_is_refused(stub, rpc, request_, param):
    with pytest.raises(RunestoneError) as caught:
        await getattr(stub, rpc)(request_)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


@pytest.mark.parametrize(("request_", "param"), [(watch(edge=""), "edge"), (watch(history=201), "history")])
async def test_a_watch_that_makes_no_sense_is_refused(stub, request_, param):
    with pytest.raises(RunestoneError) as caught:
        async with closing(stub.Watch(request_)) as letters:
            await anext(letters)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, param)


async def test_the_largest_message_and_member_pass(stub):
    await stub.Enter(enter(meta=b"m" * 4096))
    await stub.Publish(publish(payload=b"p" * (256 << 10)))
    state = await stand(stub, history=1)
    assert (len(state.members[0].meta), len(state.messages[0].payload)) == (4096, 256 << 10)


async def test_who_watches_does_not_hold_up_the_stop_of_the_service(service):
    runtime, stub = service
    async with asyncio.timeout(PATIENT), closing(stub.Watch(watch())) as letters:
        await anext(letters)
        assert b"runestone_room_watchers 1.0" in runtime.metrics.exposition()
        await runtime.stop(30)
        assert await anext(letters, None) is None


async def test_messages_are_counted(service):
    runtime, stub = service
    for _ in range(3):
        await stub.Publish(publish())
    assert b"runestone_room_messages_total 3.0" in runtime.metrics.exposition()


async def test_rooms_in_memory_tell_how_much_they_hold():
    async with running(SERVICE, Settings()) as (runtime, channel):
        await RoomServiceStub(channel).Enter(enter())
        exposition = runtime.metrics.exposition().decode()
    assert "runestone_rooms 1.0" in exposition and "runestone_room_members 1.0" in exposition
    assert "runestone_room_bytes 0" not in exposition


async def test_who_hangs_up_loses_its_members_after_the_grace_and_others_hear_of_it(monkeypatch):
    monkeypatch.setattr("cache_svc.rooms.memory.GRACE", 0.05)
    async with running(SERVICE, Settings()) as (_, channel):
        stub = RoomServiceStub(channel)
        async with asyncio.timeout(PATIENT), closing(stub.Watch(watch())) as letters:
            await anext(letters)
            async with closing(stub.Watch(watch(edge="edge-1"))) as own:
                await anext(own)
                await stub.Enter(enter())
                assert (await anext(letters)).changes[0].entered == member()
            assert (await anext(letters)).changes[0].left == "m-1"


async def test_an_edge_that_comes_back_through_another_replica_changes_nothing(redis_url):
    settings = Settings(cache=Cache(state=SharedState(store=redis_url)))
    async with running(SERVICE, settings) as (_, one), running(SERVICE, settings) as (_, other):
        first, second = await ready(RoomServiceStub(one)), await ready(RoomServiceStub(other))
        async with asyncio.timeout(PATIENT), closing(first.Watch(watch())) as letters:
            await anext(letters)
            for stub in (first, second, first):
                async with closing(stub.Watch(watch(edge="edge-1"))) as own:
                    await anext(own)
                    await stub.Enter(enter())
            await second.Publish(publish())
            changes = []
            while not changes or not changes[-1].HasField("message"):
                changes += (await anext(letters)).changes
        assert [change.WhichOneof("change") for change in changes] == ["entered", "message"]


async def test_nothing_that_users_say_stands_readable_in_redis(redis_url):
    settings = Settings(cache=Cache(state=SharedState(store=redis_url), encryption=ENCRYPTION))
    async with running(SERVICE, settings) as (_, channel):
        stub = await ready(RoomServiceStub(channel))
        await stub.Enter(enter())
        await stub.Publish(publish(request_id="canary-request"))
        await stub.Publish(publish(is_kept=False))
    async with RedisPool(redis_url, deadline=PATIENT) as pool:
        keys = await pool.ask("KEYS", "rs:rm:*")
        written = b"\n".join([*keys, *[await pool.ask("DUMP", key) for key in keys]])
    assert len(keys) >= 7
    for canary in (b"canary", b"anna", b"acme", b"lobby", b"hello"):
        assert canary not in written
    unencrypted = Settings(cache=Cache(state=SharedState(store=redis_url)))
    async with running(SERVICE, unencrypted) as (_, channel):
        state = await stand(await ready(RoomServiceStub(channel)), history=10)
    assert (len(state.members), len(state.messages)) == (0, 0)
