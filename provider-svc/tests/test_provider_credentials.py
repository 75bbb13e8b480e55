"""A provider's key: changed while calls run, and shown to nobody else."""

import asyncio
import contextlib

import msgspec
import pytest
from fake_provider import FakeProvider

from chassis.clock import SystemClock
from chassis.config import encode, parse_settings
from chassis.errors import RunestoneError
from chassis.snapshots import Snapshot
from provider_svc.provider import Gathered, UpstreamCall
from provider_svc.providers import ProviderFactory
from provider_svc.roster import Roster
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT

MEMBERS = {"stream": msgspec.Raw(b"true"), "messages": msgspec.Raw(b'[{"role":"user","content":"hello"}]')}
KEYS = ("sk-canary-first", "sk-canary-second")


class Office:
    """The providers of a configuration whose key stands in a file."""

    def __init__(self, fake: FakeProvider, file):
        self.fake, self.file, self.tasks = fake, file, []
        self.roster = Roster(ProviderFactory(SystemClock()).open, self.spawn)
        self.text = (
            f'providers: [{{name: a, kind: openai, base_url: "{fake.openai_url}", api_key: "${{FILE:{file}}}"}}]'
        )

    def spawn(self, work, name):
        self.tasks.append(asyncio.ensure_future(work))

    def load(self, key):
        """Routes as they are after a reload with `key` in the file."""
        self.file.write_text(f"{key}\n")
        settings = parse_settings(self.text)
        return self.roster.make(Snapshot(key, settings))

    def begin(self, routes, wishes):
        """A call that runs, and its provider, which is not closed before `leave`."""
        self.roster.board(routes)
        provider = routes.seats["a"].provider
        call = UpstreamCall(call_id="c", model=wishes, stream=True, members=MEMBERS, dialect=DIALECT_OPENAI_CHAT)
        return asyncio.ensure_future(provider.call(call, Gathered())), provider

    def key_of(self, exchange):
        return exchange.headers["authorization"].removeprefix("Bearer ")


async def test_a_reload_changes_the_key_of_new_calls_and_leaves_running_ones_alone(fake, tmp_path):
    office = Office(fake, tmp_path / "key")
    async with office.roster:
        old = office.load(KEYS[0])
        running, _ = office.begin(old, "words=400,pace=2ms")
        first = await fake.exchange(1)
        new = office.load(KEYS[1])
        office.roster.drop(old)
        following, _ = office.begin(new, "words=2")
        second = await fake.exchange(2)
        await following
        assert not running.done()
        await running
        office.roster.leave(old)
        office.roster.leave(new)
        await asyncio.gather(*office.tasks)
        assert [office.key_of(first), office.key_of(second)] == list(KEYS)
        assert repr(office.roster) == "Roster(a=1)"  # the old provider is closed, with its last call


@pytest.mark.parametrize("wishes", ["status=401", "status=500", "status=404", "garbage=1", "cut=1"])
async def test_no_key_stands_in_what_a_provider_raises_or_shows(fake, tmp_path, wishes):
    office = Office(fake, tmp_path / "key")
    async with office.roster:
        routes = office.load(KEYS[0])
        call, provider = office.begin(routes, wishes)
        shown = [repr(provider), repr(routes), repr(office.roster)]
        with contextlib.suppress(RunestoneError):
            await call
        assert call.exception() is not None
        shown += [repr(call.exception()), str(call.exception())]
        settings = parse_settings(office.text)
        shown += [repr(settings), encode(settings, reveal=False).decode()]
        assert not [text for text in shown if KEYS[0] in text]


async def test_a_key_that_http_does_not_allow_is_refused_without_being_shown(fake, tmp_path):
    office = Office(fake, tmp_path / "key")
    async with office.roster:
        call, _ = office.begin(office.load("sk-canary\r\nx: y"), "words=1")
        with pytest.raises(RunestoneError) as error:
            await call
        assert "sk-canary" not in repr(error.value) + str(error.value.__cause__)
        assert fake.requests == 0
