import asyncio

import pytest

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
from chassis.snapshots import Snapshot
from provider_svc.roster import Roster


class Provider:
    def __init__(self, configured):
        self.configured = configured
        self.is_closed = False

    async def close(self):
        self.is_closed = True


class Office:
    """A roster, what it opened, and what it spawned."""

    def __init__(self):
        self.opened, self.tasks = [], []
        self.roster = Roster(self.open, self.spawn, lambda: 0.0)

    def open(self, configured):
        self.opened.append(Provider(configured))
        return self.opened[-1]

    def spawn(self, work, name):
        self.tasks.append(asyncio.ensure_future(work))

    def publish(self, text):
        self.roster.follow(Snapshot(text, parse_settings(text)))

    async def closed(self):
        await asyncio.gather(*self.tasks)
        return [provider.is_closed for provider in self.opened]


A = "providers: [{name: a, kind: openai, api_key: one}]"
CHANGED_A = "providers: [{name: a, kind: openai, api_key: two}]"
B = "providers: [{name: b, kind: simulated}]"


async def test_a_snapshot_keeps_what_did_not_change():
    office = Office()
    office.publish(A)
    office.publish(A + "\nmodels: [{name: m, targets: [{provider: a, model: x}]}]")
    assert len(office.opened) == 1
    assert office.roster.lend("m").target.model == "x"


async def test_what_changed_is_closed_when_its_last_call_is_over():
    office = Office()
    office.publish(A)
    first, second = office.roster.lend("a/x"), office.roster.lend("a/x")
    office.publish(CHANGED_A)
    first.release()
    assert await office.closed() == [False, False]
    assert office.roster.lend("a/x").provider is office.opened[1]
    second.release()
    assert await office.closed() == [True, False]


async def test_what_is_gone_and_idle_is_closed_at_once():
    office = Office()
    office.publish(A)
    office.publish(B)
    assert await office.closed() == [True, False]
    with pytest.raises(RunestoneError) as error:
        office.roster.lend("a/x")
    assert error.value.reason is Reason.MODEL_NOT_FOUND


async def test_leaving_closes_retired_providers_too():
    office = Office()
    async with office.roster:
        office.publish(A)
        office.roster.lend("a/x")
        office.publish(CHANGED_A)
    assert [provider.is_closed for provider in office.opened] == [True, True]
