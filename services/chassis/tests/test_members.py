"""A channel to each replica: which there are, that they share the connections that exist, and what changes tell."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import pytest

from chassis.client import Channel, Link
from chassis.errors import Reason, RunestoneError
from chassis.members import Members
from chassis.replicas import ReplicaLink
from chassis.tracing import Tracing

NAMES = ["10.0.0.1:1", "10.0.0.2:1"]
NEW = "10.0.0.9:1"


class Echo:
    """A link that answers with its own name until it is told to fail; a stream goes on until it is closed."""

    def __init__(self, name: str) -> None:
        self.name, self.error, self.closed = name, None, 0

    async def call(self, method: str, request: bytes, timeout: float, metadata: object) -> bytes:
        if self.error is not None:
            raise self.error
        return self.name.encode()

    async def stream(self, method: str, request: bytes, timeout: float, metadata: object) -> AsyncGenerator[bytes]:
        while not self.closed:
            yield self.name.encode()

    @property
    def is_connected(self) -> bool:
        return self.error is None

    async def is_connected_within(self, timeout: float) -> bool:
        return self.error is None

    async def close(self) -> None:
        self.closed += 1


class Opened(dict[str, Echo]):
    """Every link that was opened; opening one twice is the defect that these tests look for."""

    def __call__(self, name: str) -> Echo:
        assert name not in self, "a second connection to one replica"
        self[name] = Echo(name)
        return self[name]


def make_channel(address: str, link: Link) -> Channel:
    return Channel(address, tracing=Tracing("test"), link=link)


@pytest.fixture
async def opened() -> Opened:
    return Opened()


@pytest.fixture
async def link(opened: Opened) -> AsyncGenerator[ReplicaLink]:
    link = ReplicaLink(NAMES, opened)
    yield link
    await link.close()


@pytest.fixture
async def members(link: ReplicaLink) -> Members:
    return Members(",".join(NAMES), link, make_channel)


async def ask(channel: Channel) -> str:
    call = channel.unary_unary("/m", bytes, bytes.decode)
    return await call(b"", timeout=1)


async def answers_of(members: Members) -> dict[str, str]:
    return {address: await ask(channel) for address, channel in members.current.items()}


async def next_names(changes: AsyncGenerator[Mapping[str, Channel]]) -> set[str]:
    async with asyncio.timeout(5):
        return set(await anext(changes))


async def test_each_channel_reaches_its_replica_and_no_other(members: Members) -> None:
    assert await answers_of(members) == {name: name for name in NAMES}


async def test_no_replica_is_connected_to_twice(members: Members, link: ReplicaLink, opened: Opened) -> None:
    """`Opened` refuses a second link; calls over the balance and to one replica meet on the same."""
    await answers_of(members)
    await link.call("/m", b"", 1.0, ())
    assert set(opened) == set(NAMES)


async def test_one_address_is_a_service_of_one_replica() -> None:
    only = Echo("unix:/a")
    members = Members("unix:/a", only, make_channel)
    assert await answers_of(members) == {"unix:/a": "unix:/a"}
    async with aclosing(members.changes()) as changes:
        assert await next_names(changes) == {"unix:/a"}


async def test_closing_a_channel_leaves_the_connection_to_the_others(members: Members, opened: Opened) -> None:
    for channel in members.current.values():
        await channel.close()
    assert await answers_of(members) == {name: name for name in NAMES}
    assert not any(echo.closed for echo in opened.values())


async def test_a_failing_replica_is_not_asked_for_another(members: Members, opened: Opened) -> None:
    """What a replica alone can do is never done by its neighbour instead, begun or not."""
    opened[NAMES[0]].error = RunestoneError(Reason.UNAVAILABLE, "gone", may_have_begun=False)
    with pytest.raises(RunestoneError, match="gone"):
        await ask(members.current[NAMES[0]])
    assert not await members.current[NAMES[0]].is_connected_within(0)
    assert await ask(members.current[NAMES[1]]) == NAMES[1]


async def test_a_replica_that_stays_keeps_its_channel(members: Members, link: ReplicaLink) -> None:
    before = members.current
    link._settle({NAMES[0], NEW})
    after = members.current
    assert set(after) == {NAMES[0], NEW}
    assert after[NAMES[0]] is before[NAMES[0]]


async def test_a_replica_that_comes_back_has_a_new_channel(members: Members, link: ReplicaLink, opened: Opened) -> None:
    """Its old one ends with the old connection."""
    before = members.current[NAMES[0]]
    link._settle({NAMES[1]})
    opened.pop(NAMES[0])
    link._settle(set(NAMES))
    assert members.current[NAMES[0]] is not before


async def test_changes_tell_who_is_there_at_first_and_after_each_change(members: Members, link: ReplicaLink) -> None:
    async with aclosing(members.changes()) as changes:
        assert await next_names(changes) == set(NAMES)
        link._settle({NAMES[0]})
        assert await next_names(changes) == {NAMES[0]}
        waiting = asyncio.create_task(next_names(changes))
        await asyncio.sleep(0)
        link._settle({NAMES[0], NEW})
        assert await waiting == {NAMES[0], NEW}


async def test_a_change_while_nobody_waits_is_not_lost(members: Members, link: ReplicaLink) -> None:
    async with aclosing(members.changes()) as changes:
        await next_names(changes)
        link._settle({NAMES[0], NEW})
        link._settle({NEW})
        assert await next_names(changes) == {NEW}


async def test_every_follower_is_told(members: Members, link: ReplicaLink) -> None:
    async with aclosing(members.changes()) as one, aclosing(members.changes()) as other:
        for changes in (one, other):
            await next_names(changes)
        waiting = [asyncio.create_task(next_names(changes)) for changes in (one, other)]
        await asyncio.sleep(0)
        link._settle({NEW})
        assert await asyncio.gather(*waiting) == [{NEW}, {NEW}]


async def test_nothing_is_told_before_the_name_is_resolved(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    """No replica is known then, which is not the same as none."""
    found: asyncio.Future[set[str]] = asyncio.get_running_loop().create_future()

    async def resolve(_addresses: object) -> set[str]:
        return await asyncio.shield(found)

    monkeypatch.setattr("chassis.replicas.resolve", resolve)
    link = ReplicaLink(["cache.mesh:1"], opened)
    members = Members("cache.mesh:1", link, make_channel)
    async with aclosing(members.changes()) as changes:
        waiting = asyncio.create_task(next_names(changes))
        await asyncio.sleep(0)
        assert (members.current, waiting.done()) == ({}, False)
        found.set_result(set(NAMES))
        assert await waiting == set(NAMES)
    await link.close()


async def test_names_that_resolve_otherwise_are_told(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    resolved = [{NAMES[0]}, {NAMES[0]}]

    async def resolve(_addresses: object) -> set[str]:
        return resolved.pop(0) if len(resolved) > 1 else resolved[0]

    monkeypatch.setattr("chassis.replicas.resolve", resolve)
    monkeypatch.setattr("chassis.replicas.RESOLVE_INTERVAL", 0.001)
    link = ReplicaLink(["cache.mesh:1"], opened)
    async with aclosing(Members("cache.mesh:1", link, make_channel).changes()) as changes:
        assert await next_names(changes) == {NAMES[0]}
        resolved[:] = [set(NAMES)]
        assert await next_names(changes) == set(NAMES)
    await link.close()


async def test_the_connection_of_a_replica_that_leaves_outlives_the_calls_on_its_channel(
    members: Members, link: ReplicaLink, opened: Opened
) -> None:
    stub = members.current[NAMES[0]].unary_stream("/m", bytes, bytes.decode)
    async with aclosing(stub(b"")) as answers:
        assert await anext(answers) == NAMES[0]
        link._settle({NAMES[1]})
        await asyncio.sleep(0)
        assert (await anext(answers), opened[NAMES[0]].closed) == (NAMES[0], 0)
    await asyncio.sleep(0)
    await link.close()
    assert opened[NAMES[0]].closed == 1
