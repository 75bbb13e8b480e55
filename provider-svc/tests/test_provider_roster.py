import asyncio

import pytest

from chassis.config import parse_settings
from chassis.errors import Reason, RunestoneError
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
        self.roster = Roster(self.open, self.spawn, lambda: 0.0)

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
    assert office.roster.lend(routes, "m", CHAT).target.model == "x"


async def test_what_changed_is_closed_when_its_snapshot_and_its_last_call_are_over():
    office = Office()
    old = office.make(A)
    first, second = office.roster.lend(old, "a/x", CHAT), office.roster.lend(old, "a/x", CHAT)
    new = office.make(CHANGED_A)
    office.roster.drop(old)
    first.release()
    assert await office.closed() == [False, False]
    assert office.roster.lend(new, "a/x", CHAT).provider is office.opened[1]
    second.release()
    assert await office.closed() == [True, False]


async def test_a_call_of_an_earlier_snapshot_gets_the_provider_of_its_time():
    office = Office()
    old, _new = office.make(A), office.make(CHANGED_A)
    assert office.roster.lend(old, "a/x", CHAT).provider is office.opened[0]
    assert await office.closed() == [False, False]


async def test_what_is_gone_and_idle_is_closed_with_its_snapshot():
    office = Office()
    old, new = office.make(A), office.make(B)
    office.roster.drop(old)
    assert await office.closed() == [True, False]
    with pytest.raises(RunestoneError) as error:
        office.roster.lend(new, "a/x", CHAT)
    assert error.value.reason is Reason.MODEL_NOT_FOUND


async def test_a_candidate_that_was_withdrawn_leaves_the_rest_open():
    office = Office()
    old = office.make(A)
    office.roster.drop(office.make(A + "\nmodels: [{name: m, targets: [{provider: a, model: x}]}]"))
    assert await office.closed() == [False]
    assert office.roster.lend(old, "a/x", CHAT).provider is office.opened[0]


async def test_a_provider_that_cannot_be_opened_leaves_nothing_open():
    office = Office()
    office.refused = "b"
    with pytest.raises(OSError):
        office.make("providers: [{name: a, kind: openai, api_key: one}, {name: b, kind: simulated}]")
    assert await office.closed() == [True]


async def test_leaving_closes_what_old_snapshots_hold_too():
    office = Office()
    async with office.roster:
        office.roster.lend(office.make(A), "a/x", CHAT)
        office.make(CHANGED_A)
    assert [provider.is_closed for provider in office.opened] == [True, True]


MIXED = """
providers: [{name: a, kind: openai}, {name: c, kind: anthropic}]
models:
  - {name: m, targets: [{provider: a, model: x, weight: 9}, {provider: c, model: y}], on_loss: drop}
"""


async def test_a_target_that_speaks_the_dialect_takes_the_call():
    """Whatever its weight beside those that do not."""
    office = Office()
    routes = office.make(MIXED)
    assert office.roster.lend(routes, "m", CHAT).target.model == "x"
    assert office.roster.lend(routes, "m", MESSAGES).target.model == "y"


async def test_a_dialect_that_no_target_speaks_is_refused_before_anything_is_lent():
    office = Office()
    routes = office.make(MIXED)
    with pytest.raises(RunestoneError) as error:
        office.roster.lend(routes, "a/x", MESSAGES)
    assert (error.value.reason, error.value.code) == (Reason.INVALID_REQUEST, "unsupported_endpoint")
    assert "a=1" in repr(office.roster)


async def test_a_named_provider_is_lent_whatever_its_targets_weigh():
    office = Office()
    routes = office.make(MIXED)
    assert office.roster.lend(routes, "m", CHAT, "c").target.model == "y"
    kept = office.roster.lend_at(routes, "c", "of a model that has gone")
    assert (kept.target.provider, kept.target.model) == ("c", "of a model that has gone")
    kept.release()
    for lend in (lambda: office.roster.lend(routes, "m", CHAT, "z"), lambda: office.roster.lend_at(routes, "z", "m")):
        with pytest.raises(RunestoneError) as error:
            lend()
        assert error.value.reason is Reason.NOT_FOUND
    assert "c=2" in repr(office.roster)


async def test_a_lease_says_what_its_route_does_about_losses():
    office = Office()
    routes = office.make(MIXED)
    assert office.roster.lend(routes, "m", CHAT).is_strict is False
    assert office.roster.lend(routes, "a/x", CHAT).is_strict is True
