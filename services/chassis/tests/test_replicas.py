"""Calls over several replicas: who gets which, and what happens when one comes, goes or is sick."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY
from chassis.replicas import ReplicaLink, is_name, rendezvous_weight, resolve, split_address

NAMES = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]


class FakeReplica:
    """A link that answers with its own name, or fails as it is told."""

    def __init__(self, name: str) -> None:
        self.name, self.error, self.is_closed, self.is_up = name, None, False, False

    async def call(self, method: str, request: bytes, timeout: float, metadata: object) -> bytes:
        if self.error is not None:
            raise self.error
        return self.name.encode()

    async def stream(self, method: str, request: bytes, timeout: float, metadata: object) -> AsyncGenerator[bytes]:
        if self.error is not None:
            raise self.error
        for _ in range(3):
            yield self.name.encode()

    @property
    def is_connected(self) -> bool:
        return self.is_up or self.error is None or self.error.reason is not Reason.UNAVAILABLE

    async def is_connected_within(self, timeout: float) -> bool:
        return self.error is None

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
async def fakes() -> dict[str, FakeReplica]:
    return {name: FakeReplica(name) for name in NAMES}


@pytest.fixture
async def link(fakes: dict[str, FakeReplica]) -> AsyncGenerator[ReplicaLink]:
    link = ReplicaLink(NAMES, fakes.__getitem__)
    yield link
    await link.close()
    assert all(fake.is_closed for fake in fakes.values())


def unavailable(*, may_have_begun: bool) -> RunestoneError:
    return RunestoneError(Reason.UNAVAILABLE, "gone", may_have_begun=may_have_begun)


async def ask(link: ReplicaLink, key: bytes | None = None) -> str:
    return (await link.call("/m", b"", 1.0, ((ROUTE_KEY, key),) if key else ())).decode()


async def test_calls_are_spread(link: ReplicaLink) -> None:
    assert set(Counter([await ask(link) for _ in range(200)])) == set(NAMES)


async def test_a_key_always_goes_to_the_same_replica(link: ReplicaLink) -> None:
    keys = [bytes([number]) for number in range(1, 60)]
    first = [await ask(link, key) for key in keys]
    assert [await ask(link, key) for key in keys] == first
    assert set(first) == set(NAMES)


@given(st.binary(min_size=1, max_size=32), st.sampled_from(NAMES))
def test_a_replica_that_goes_moves_only_its_own_keys(key: bytes, gone: str) -> None:
    before = max(NAMES, key=lambda name: rendezvous_weight(key, name))
    after = max((name for name in NAMES if name != gone), key=lambda name: rendezvous_weight(key, name))
    assert before in {gone, after}


async def test_a_call_that_was_not_begun_is_tried_on_another_replica(
    link: ReplicaLink, fakes: dict[str, FakeReplica]
) -> None:
    fakes[NAMES[0]].error = unavailable(may_have_begun=False)
    assert {await ask(link) for _ in range(50)} == set(NAMES[1:])


async def test_a_call_that_may_have_begun_is_never_sent_twice(link: ReplicaLink, fakes: dict[str, FakeReplica]) -> None:
    for fake in fakes.values():
        fake.error = unavailable(may_have_begun=True)
    with pytest.raises(RunestoneError, match="gone"):
        await ask(link)


async def test_a_sick_replica_is_left_out_after_five_failures(link: ReplicaLink, fakes: dict[str, FakeReplica]) -> None:
    fakes[NAMES[0]].error = RunestoneError(Reason.DEADLINE_EXCEEDED, "slow")
    failures = 0
    for _ in range(200):
        try:
            await ask(link)
        except RunestoneError:
            failures += 1
    assert 5 <= failures <= 6  # and one probe a second


async def test_what_was_not_begun_is_no_sickness(link: ReplicaLink, fakes: dict[str, FakeReplica]) -> None:
    """A replica that does not know a new configuration yet gets its share as soon as it does."""
    fakes[NAMES[0]].error = RunestoneError(Reason.UNAVAILABLE, "not known yet", may_have_begun=False)
    fakes[NAMES[0]].is_up = True
    assert {await ask(link) for _ in range(100)} == set(NAMES[1:])
    fakes[NAMES[0]].error = None
    assert {await ask(link) for _ in range(100)} == set(NAMES)


async def test_a_refusal_is_no_sickness(link: ReplicaLink, fakes: dict[str, FakeReplica]) -> None:
    for fake in fakes.values():
        fake.error = RunestoneError(Reason.RATE_LIMITED, "slow down")
    for _ in range(50):
        with pytest.raises(RunestoneError, match="slow down"):
            await ask(link)
    for fake in fakes.values():
        fake.error = None
    assert {await ask(link) for _ in range(100)} == set(NAMES)


async def test_replicas_that_come_get_calls_and_those_that_go_end_theirs(
    link: ReplicaLink, fakes: dict[str, FakeReplica]
) -> None:
    fakes["10.0.0.9:1"] = FakeReplica("10.0.0.9:1")
    async with aclosing(link.stream("/m", b"", 1.0, ((ROUTE_KEY, b"k"),))) as answers:
        owner = (await anext(answers)).decode()
        link._settle(set(fakes) - {owner})
        assert "10.0.0.9:1" in {await ask(link) for _ in range(200)}
        assert [answer.decode() async for answer in answers] == [owner, owner]
        assert owner not in {await ask(link) for _ in range(100)}


async def test_with_no_replica_a_call_is_refused_not_hung() -> None:
    link = ReplicaLink([], FakeReplica)
    with pytest.raises(RunestoneError) as refusal:
        await ask(link)
    assert refusal.value.reason is Reason.UNAVAILABLE
    assert not refusal.value.may_have_begun
    await link.close()


@pytest.mark.parametrize(
    ("text", "addresses"),
    [("unix:/a", ["unix:/a"]), ("unix:/a,unix:/b", ["unix:/a", "unix:/b"]), ("ipv4:1.2.3.4:5,1.2.3.5:5", ["1.2.3.4:5", "1.2.3.5:5"]), ("dns:///cache:1", ["cache:1"]), ("10.0.0.1:1, dns:///cache:1", ["10.0.0.1:1", "cache:1"])],
)  # fmt: skip
def test_addresses_are_read(text: str, addresses: list[str]) -> None:
    assert split_address(text) == addresses


def test_names_are_told_from_addresses() -> None:
    assert [is_name(one) for one in ("unix:/a", "1.2.3.4:5", "[::1]:5", "cache.svc:5")] == [False, False, False, True]


async def test_a_name_is_resolved_to_all_its_addresses() -> None:
    assert await resolve(["localhost:7", "10.0.0.1:7"]) >= {"127.0.0.1:7", "10.0.0.1:7"}


async def test_a_name_that_cannot_be_resolved_takes_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at first nor when it could be before."""
    rounds = asyncio.Semaphore(0)
    answers: dict[str, set[str]] = {}

    async def resolve(addresses: Sequence[str]) -> set[str]:
        (name,) = addresses
        if name == "b.test:1":
            rounds.release()
        if name not in answers:
            raise OSError("no such name")
        return answers[name]

    async def wait_for_a_round() -> None:
        async with asyncio.timeout(5):
            for _ in range(2):
                await rounds.acquire()

    monkeypatch.setattr("chassis.replicas.resolve", resolve)
    monkeypatch.setattr("chassis.replicas.RESOLVE_INTERVAL", 0.001)
    link = ReplicaLink(["a.test:1", "b.test:1"], FakeReplica)
    answers["b.test:1"] = {NAMES[1]}
    await wait_for_a_round()
    assert set(link.replicas) == {NAMES[1]}
    answers["a.test:1"] = {NAMES[0]}
    await wait_for_a_round()
    assert set(link.replicas) == set(NAMES[:2])
    answers.clear()
    await wait_for_a_round()
    assert set(link.replicas) == set(NAMES[:2])
    await link.close()


class Names:
    """A name server: `addresses` are what the name stands for; `asked` counts the questions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: set[str] = set()
        self.asked = 0
        monkeypatch.setattr("chassis.replicas.resolve", self.resolve)

    async def resolve(self, _addresses: Sequence[str]) -> set[str]:
        self.asked += 1
        return set(self.addresses)


async def test_a_successor_is_found_as_soon_as_somebody_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only replica goes, as in a Deployment of one; nobody waits for the next look at the name, which is an hour away."""
    monkeypatch.setattr("chassis.replicas.RESOLVE_INTERVAL", 3600)
    names, fakes = Names(monkeypatch), {name: FakeReplica(name) for name in NAMES}
    names.addresses = {NAMES[0]}
    link = ReplicaLink(["cache.test:1"], fakes.__getitem__)
    assert await link.is_connected_within(5)
    assert await ask(link) == NAMES[0]
    fakes[NAMES[0]].error, names.addresses = unavailable(may_have_begun=False), {NAMES[1]}
    assert await link.is_connected_within(5)
    assert await ask(link) == NAMES[1]
    await link.close()


async def test_a_name_server_is_spared_however_many_wait_for_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch)
    monkeypatch.setattr("chassis.replicas.RESOLVE_AGAIN", 3600)
    link = ReplicaLink(["cache.test:1"], FakeReplica)
    assert not any(await asyncio.gather(*(link.is_connected_within(0.05) for _ in range(100))))
    assert names.asked == 1
    await link.close()


async def test_a_call_goes_on_to_a_third_replica_where_two_did_not_begin_it(
    link: ReplicaLink, fakes: dict[str, FakeReplica]
) -> None:
    """In a roll-out several may be about to stop, or may not know yet what is asked."""
    for name in NAMES[:2]:
        fakes[name].error = unavailable(may_have_begun=False)
    assert {await ask(link, bytes([number])) for number in range(50)} == {NAMES[2]}
