import asyncio

import pytest

from chassis.config import parse_settings
from chassis.snapshots import Snapshot
from provider_svc.roster import Roster
from runestone.common.v1.dialect_pb2 import DIALECT_ANTHROPIC_MESSAGES as MESSAGES
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT as CHAT


class Provider:
    def __init__(self, configured):
        self.configured = configured
        self.dialects = frozenset({CHAT} if configured.kind != "anthropic" else {MESSAGES})
        self.is_closed = False

    async def close(self):
        self.is_closed = True


class Office:
    """A roster, what it opened, and what it spawned."""

    def __init__(self):
        self.opened, self.tasks, self.refused = [], [], None
        self.roster = Roster(self.open, self.spawn)

    def open(self, configured):
        if configured.name == self.refused:
            raise OSError("no such certificate")
        self.opened.append(Provider(configured))
        return self.opened[-1]

    def spawn(self, work, name):
        self.tasks.append(asyncio.ensure_future(work))

    def make(self, text):
        return self.roster.make(Snapshot(text, parse_settings(text)))

    async def closed(self):
        await asyncio.gather(*self.tasks)
        return [provider.is_closed for provider in self.opened]


A = "providers: [{name: a, kind: openai, api_key: one}]"
CHANGED_A = "providers: [{name: a, kind: openai, api_key: two}]"
B = "providers: [{name: b, kind: simulated}]"


async def test_a_snapshot_keeps_what_did_not_change():
    office = Office()
    office.make(A)
    routes = office.make(A + "\nmodels: [{name: m, targets: [{provider: a, model: x}]}]")
    assert len(office.opened) == 1
    assert routes.seats["a"].provider is office.opened[0]


async def test_what_changed_is_closed_when_its_snapshot_and_its_last_call_are_over():
    office = Office()
    old = office.make(A)
    office.roster.board(old)
    office.roster.board(old)
    new = office.make(CHANGED_A)
    office.roster.drop(old)
    office.roster.leave(old)
    assert await office.closed() == [False, False]
    assert new.seats["a"].provider is office.opened[1]
    office.roster.leave(old)
    assert await office.closed() == [True, False]


async def test_a_call_of_an_earlier_snapshot_gets_the_provider_of_its_time():
    office = Office()
    old, _new = office.make(A), office.make(CHANGED_A)
    assert old.seats["a"].provider is office.opened[0]
    assert await office.closed() == [False, False]


async def test_what_is_gone_and_idle_is_closed_with_its_snapshot():
    office = Office()
    old, new = office.make(A), office.make(B)
    office.roster.drop(old)
    assert await office.closed() == [True, False]
    assert list(new.seats) == ["b"]


async def test_a_candidate_that_was_withdrawn_leaves_the_rest_open():
    office = Office()
    old = office.make(A)
    office.roster.drop(office.make(A + "\nmodels: [{name: m, targets: [{provider: a, model: x}]}]"))
    assert await office.closed() == [False]
    assert old.seats["a"].provider is office.opened[0]


async def test_a_provider_that_cannot_be_opened_leaves_nothing_open():
    office = Office()
    office.refused = "b"
    with pytest.raises(OSError):
        office.make("providers: [{name: a, kind: openai, api_key: one}, {name: b, kind: simulated}]")
    assert await office.closed() == [True]


async def test_leaving_closes_what_old_snapshots_hold_too():
    office = Office()
    async with office.roster:
        office.roster.board(office.make(A))
        office.make(CHANGED_A)
    assert [provider.is_closed for provider in office.opened] == [True, True]
