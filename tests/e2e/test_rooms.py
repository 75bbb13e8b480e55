"""Rooms over the whole mesh: two edge processes, real sockets, parts that are killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import pairwise

import grpc
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, OTHER, Mesh, mesh_running
from redis.asyncio import Redis
from room_client import RoomMember, room_member

from chassis.testing import find_redis
from chassis.testing.redis import RedisProcess, redis_process
from runestone.introspection.v1.introspection_pb2 import GetMetricsRequest, GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

EDGE = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
ENOUGH = 8  # connections, so that both edges have some: the kernel deals them


@pytest.fixture(scope="module")
def mesh() -> Iterator[Mesh]:
    with mesh_running(edge=EDGE) as running:
        yield running


@pytest.fixture
async def fake(mesh: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(port=mesh.fake_port) as provider:
        yield provider


def process_of(mesh: Mesh, service: str) -> int:
    with grpc.insecure_channel(mesh.about["services"][service]) as channel:
        status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
    return status.process_id


def members_of(mesh: Mesh, edge: str) -> int:
    """How many members an edge process has."""
    with grpc.insecure_channel(mesh.about["services"][edge]) as channel:
        text = IntrospectionServiceStub(channel).GetMetrics(GetMetricsRequest(), timeout=5).exposition.decode()
    lines = [line for line in text.splitlines() if line.startswith("runestone_edge_room_members ")]
    return int(sum(float(line.split()[-1]) for line in lines))


async def fill(mesh: Mesh, stack: AsyncExitStack, topic: str, count: int = ENOUGH) -> list[RoomMember]:
    """Members of a room on both edges."""
    port, members = mesh.about["websocket"]["port"], []
    while True:
        key = f"m{len(members)}"
        members.append(await stack.enter_async_context(room_member(port, ACME, topic, key=key)))
        if len(members) >= count and all(
            [await asyncio.to_thread(members_of, mesh, edge) for edge in ("edge-0", "edge-1")]
        ):
            break
        assert len(members) < 64, "all connections went to one edge"
    keys = {f"m{n}" for n in range(len(members))}
    for member in members:
        await member.until(lambda member=member: member.keys == keys)
    return members


def question(model: str) -> dict[str, object]:
    return {"request": {"model": f"fake/{model}", "messages": [{"role": "user", "content": "Why?"}]}}


async def test_members_of_both_edges_see_each_other_and_read_one_generation(mesh: Mesh, fake: FakeProvider) -> None:
    async with AsyncExitStack() as stack:
        members = await fill(mesh, stack, "room:one")
        said = await members[0].ask("room:message", {"text": "hello"})
        for member in members:
            (message,) = await member.until(lambda member=member: member.events("room:message"))
            assert (message["from"], message["body"], message["position"]) == (
                "m0",
                {"text": "hello"},
                said["position"],
            )
        before = fake.requests
        asked = await members[1].ask("chat:stream", question("words=40,pace=10ms") | {"note": "Why?"})
        late = await stack.enter_async_context(room_member(mesh.about["http"]["port"], ACME, "room:one", key="late"))
        texts = set()
        for member in [*members, late]:
            (complete,) = await member.until(lambda member=member: member.events("stream:complete"))
            assert complete["usage"]["output_tokens"] > 0
            seqs = member.seqs(asked["stream_id"])
            assert seqs == list(range(1, len(seqs) + 1))
            texts.add(member.text(asked["stream_id"]))
        assert len(texts) == 1
        assert len(texts.pop().split()) == 40
        assert fake.requests == before + 1
        for member in members:
            assert [event["note"] for event in member.events("stream:started")] == ["Why?"]


async def test_one_pauses_another_goes_on_and_a_third_cancels_for_all(mesh: Mesh, fake: FakeProvider) -> None:
    """By turns, so that a stream is paused by one edge and resumed by the other, too."""
    async with AsyncExitStack() as stack:
        members = await fill(mesh, stack, "room:control")
        asked = await members[0].ask("chat:stream", question("words=20000,pace=5ms"))
        stream_id = asked["stream_id"]
        for turn, (pausing, resuming) in enumerate(pairwise(members), 1):
            for member in members:
                await reads_on(member, stream_id)
            await pausing.ask("stream:control", {"stream_id": stream_id, "action": "pause"})
            for member in members:
                await member.until(lambda member=member, turn=turn: len(member.events("stream:paused")) == turn)
            await say_until_heard(members, f"paused {turn}")
            stand = [len(member.seqs(stream_id)) for member in members]
            await say_until_heard(members, f"still paused {turn}")
            assert [len(member.seqs(stream_id)) for member in members] == stand
            await resuming.ask("stream:control", {"stream_id": stream_id, "action": "resume"})
        for member in members:
            await reads_on(member, stream_id)
        await members[3].ask("stream:control", {"stream_id": stream_id, "action": "cancel"})
        for member in members:
            (told,) = await member.until(lambda member=member: member.events("stream:cancelled"))
            assert told["by"] == "m3"
            seqs = member.seqs(stream_id)
            assert seqs == list(range(1, len(seqs) + 1))
        await (await fake.exchange()).wait_closed()


async def reads_on(member: RoomMember, stream_id: str) -> None:
    """Until it was told more of the stream."""
    before = len(member.seqs(stream_id))
    await member.until(lambda: len(member.seqs(stream_id)) > before + 3)


async def test_an_answer_out_of_the_cache_is_read_by_all_too(mesh: Mesh, fake: FakeProvider) -> None:
    async with AsyncExitStack() as stack:
        members = await fill(mesh, stack, "room:cached")
        ask = question("words=7")
        ask["request"] |= {"temperature": 0}  # type: ignore[operator]  a dictionary
        for count, asking in enumerate(members[:3], 1):
            asked = await asking.ask("chat:stream", ask)
            for member in members:
                await member.until(lambda member=member, count=count: len(member.events("stream:complete")) == count)
                assert len(member.text(asked["stream_id"]).split()) == 7
        assert fake.requests == 1


async def test_tenants_and_names_that_look_alike_are_rooms_of_their_own(mesh: Mesh, fake: FakeProvider) -> None:
    """Equal names, prefixes, delimiters, and what would be one if it were put together anyhow."""
    names = ["x", "x:y", "x\\0y", "x/y", "{x}", "x*", "acme:x", "X", "x ", "é", "e\u0301"]
    port = mesh.about["http"]["port"]
    async with AsyncExitStack() as stack:
        members = [
            (
                tenant,
                name,
                await stack.enter_async_context(room_member(port, key, f"room:{name}", key=f"{tenant}/{name}")),
            )
            for tenant, key in (("acme", ACME), ("other", OTHER))
            for name in names
        ]
        for tenant, name, member in members:
            await member.ask("room:message", f"{tenant}/{name}")
            asked = await member.ask("chat:stream", question(f"say={tenant}"))
            await member.until(lambda member=member: member.events("stream:complete"))
            assert member.text(asked["stream_id"]).strip() == tenant
        for tenant, name, member in members:
            own = f"{tenant}/{name}"
            assert member.keys == {own}
            assert [message["body"] for message in member.events("room:message")] == [own]
            assert len(member.events("stream:started")) == 1
        (_, _, acme), (_, _, other) = members[0], members[len(names)]
        stream = acme.events("stream:started")[0]["stream_id"]
        status, response = await other.push("stream:control", {"stream_id": stream, "action": "cancel"})
        assert (status, response["status"]) == ("error", 404)
        prober = await stack.enter_async_context(room_member(port, OTHER, "room:x", key="prober", resume={stream: 0}))
        (failed,) = await prober.until(lambda: prober.events("stream:error"), patience=30)
        assert (failed["stream_id"], failed["status"]) == (stream, 404)
        assert not prober.events("stream:chunk")


async def test_an_edge_that_is_killed_takes_its_members_along_and_the_others_go_on(
    mesh: Mesh, fake: FakeProvider
) -> None:
    async with AsyncExitStack() as stack:
        members = await fill(mesh, stack, "room:killed")
        asked = await members[0].ask("chat:stream", question("words=100,pace=30ms"))
        for member in members:
            await member.until(lambda member=member: len(member.seqs(asked["stream_id"])) > 3)
        victim = await asyncio.to_thread(process_of, mesh, "edge-0")
        os.kill(victim, signal.SIGKILL)
        await asyncio.gather(*(wait_for_word(member) for member in members))
        left = [member for member in members if member.closed is None]
        gone = {f"m{number}" for number, member in enumerate(members) if member.closed is not None}
        assert left and gone
        for member in left:
            await member.until(lambda member=member: member.events("stream:complete"))
            seqs = member.seqs(asked["stream_id"])
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(member.text(asked["stream_id"]).split()) == 100
        for member in left:
            await member.until(lambda member=member: not member.keys & gone, patience=30)
        port = mesh.about["http"]["port"]
        again = await stack.enter_async_context(
            room_member(port, ACME, "room:killed", key="again", resume={asked["stream_id"]: 5})
        )
        await again.until(lambda: again.events("stream:complete"))
        assert again.seqs(asked["stream_id"]) == list(range(6, len(seqs) + 1))
        assert fake.requests == 1


async def wait_for_word(member: RoomMember) -> None:
    """Until its connection is closed, or it reads on."""
    heard = len(member.told)
    await member.until(lambda: member.closed is not None or len(member.told) > heard + 3)


async def test_rooms_are_whole_again_after_cache_svc_was_killed(mesh: Mesh, fake: FakeProvider) -> None:
    async with AsyncExitStack() as stack:
        members = await fill(mesh, stack, "room:forgotten")
        keys = members[0].keys
        os.kill(await asyncio.to_thread(process_of, mesh, "cache"), signal.SIGKILL)
        async with asyncio.timeout(30):
            while (await members[0].push("room:message", "there?"))[0] != "ok":
                await asyncio.sleep(0.1)
        for member in members:
            await member.until(lambda member=member: member.events("room:message"))
        new = await stack.enter_async_context(
            room_member(mesh.about["http"]["port"], ACME, "room:forgotten", key="new")
        )
        for member in [*members, new]:
            await member.until(lambda member=member: member.keys == keys | {"new"})


async def test_an_edge_that_stops_sends_its_members_elsewhere_with_nothing_missing(
    mesh: Mesh, fake: FakeProvider
) -> None:
    async with AsyncExitStack() as stack:
        members = await fill(mesh, stack, "room:drained")
        asked = await members[0].ask("chat:stream", question("words=150,pace=30ms"))
        stream_id = asked["stream_id"]
        for member in members:
            await member.until(lambda member=member: len(member.seqs(stream_id)) > 3)
        os.kill(await asyncio.to_thread(process_of, mesh, "edge-1"), signal.SIGTERM)
        await asyncio.gather(
            *(
                member.until(lambda member=member: member.closed or member.events("stream:complete"))
                for member in members
            )
        )
        moved = [member for member in members if member.closed]
        assert {member.closed for member in moved} <= {1012, 1001}
        for member in members:
            seqs = member.seqs(stream_id)
            if member.closed and not member.events("stream:complete"):
                again = await stack.enter_async_context(
                    room_member(
                        mesh.about["http"]["port"], ACME, "room:drained", key="back", resume={stream_id: seqs[-1]}
                    )
                )
                await again.until(lambda again=again: again.events("stream:complete"))
                seqs += again.seqs(stream_id)
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(seqs) >= 150
        assert fake.requests == 1


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    runner, server = asyncio.Runner(), redis_process()
    with runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def shared(redis: RedisProcess) -> Iterator[Mesh]:
    """Two edges and two cache-svc, which have a Redis in common."""
    with mesh_running(edge=EDGE, mesh={"cache": {"replicas": 2}}, cache={"store": redis.url}) as running:
        yield running


async def say_until_heard(members: list[RoomMember], text: str) -> None:
    """Members may be refused for a while; what one of them could say all hear."""
    async with asyncio.timeout(30):
        while (await members[0].push("room:message", text))[0] != "ok":
            await asyncio.sleep(0.1)
    for member in members:
        await member.until(lambda member=member: any(said["body"] == text for said in member.events("room:message")))


async def test_rooms_in_redis_live_through_what_happens_to_it_and_to_cache_svc(
    shared: Mesh, redis: RedisProcess
) -> None:
    async with AsyncExitStack() as stack:
        members = await fill(shared, stack, "room:shared")
        keys = members[0].keys
        await say_until_heard(members, "before")
        for replica in ("cache-0", "cache-1"):
            os.kill(await asyncio.to_thread(process_of, shared, replica), signal.SIGKILL)
            await say_until_heard(members, f"without {replica}")
        with redis.held():
            status, response = await members[0].push("room:message", "into the void")
            assert (status, response["status"]) == ("error", 503)
            assert members[1].keys == keys, "members keep what they know"
        await say_until_heard(members, "back")
        async with Redis.from_url(redis.url) as client:
            await client.flushall()
        await say_until_heard(members, "flushed")
        new = await stack.enter_async_context(room_member(shared.about["http"]["port"], ACME, "room:shared", key="new"))
        for member in [*members, new]:
            await member.until(lambda member=member: member.keys == keys | {"new"}, patience=30)


async def test_rooms_that_cannot_hold_are_refused_saying_what_to_do() -> None:
    with mesh_running(mesh={"cache": {"replicas": 2}}) as unshared:
        async with room_member(unshared.about["http"]["port"], ACME) as member:
            status, response = await member.try_join()
    assert (status, response["error"]["code"]) == ("error", "rooms_not_shared")
    assert "cache.store" in response["error"]["message"]
