"""A copy that an edge keeps by the rule of marks is never one that was purged, in whatever order steps happen.

Each operation is a coroutine that stops after everything it asks of the store or the log, and is taken on by one step at a
time, so that hypothesis finds the interleavings.
"""

import types

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cache_svc.answers import Answers
from cache_svc.eviction.lru import Lru
from cache_svc.measured import MeasuredStore
from cache_svc.memory import MemoryStore
from cache_svc.memory_log import MemoryLog
from cache_svc.store import Bounds, Entry, Labels, Selection
from chassis.metrics import Metrics
from chassis.testing import FakeClock

names = st.sampled_from([b"1" * 32, b"2" * 32])
selections = st.sampled_from([Selection(key_prefix=b"1" * 32), Selection(tag="red"), Selection(everything=True)])
AT_ONCE = 3  # operations: few, so that they end and meet
LABELS = {b"1" * 32: Labels(tags=("red",)), b"2" * 32: Labels()}


@types.coroutine
def pause():
    yield


class Slow:
    """Anything whose coroutines stop after each of their calls."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        value = getattr(self._inner, name)
        if not callable(value) or name == "follow":
            return value

        async def slowly(*arguments):
            result = await value(*arguments)
            await pause()
            return result

        return slowly


class Edge:
    """Keeps copies by the rule. `heard` is the mark it has heard of."""

    def __init__(self, log):
        self.copies, self.heard, self._letters = {}, None, None
        self._log = log

    def receive(self, name, body, mark):
        if body is None or self.heard is None or mark.epoch != self.heard.epoch or mark.version < self.heard.version:
            return
        if name not in self.copies or self.copies[name][1].version <= mark.version:
            self.copies[name] = (body, mark)

    def listen(self):
        self._letters = self._letters or self._log.follow(self.heard)
        changes = take_on(anext(self._letters))
        for name in list(self.copies):
            if changes.is_reset or any(dropped.fits(name, LABELS[name]) for dropped in changes.dropped):
                del self.copies[name]
        self.heard = changes.mark

    def hang_up(self):
        self._letters = None


def take_on(coroutine):
    """Runs what has something to say at once."""
    try:
        coroutine.__await__().send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


class Copies(RuleBasedStateMachine):
    """`purged` is the newest body of each answer that a purge was acknowledged for; the bodies are numbers that rise."""

    def __init__(self):
        super().__init__()
        store = MemoryStore(Bounds(max_entries=10, max_bytes=1 << 20), FakeClock(), Lru())
        self.log = MemoryLog("now", kept=4)
        self.answers = Answers(MeasuredStore(Slow(store), Metrics()), Slow(self.log))
        self.edge = Edge(self.log)
        self.running, self.number = [], 0
        self.purged = dict.fromkeys(LABELS, 0)
        self.edge.listen()

    @precondition(lambda self: len(self.running) < AT_ONCE)
    @rule(name=names)
    def look_up(self, name):
        async def work():
            self.edge.receive(name, *await self.answers.look_up(name))

        self._begin(work())

    @precondition(lambda self: len(self.running) < AT_ONCE)
    @rule(name=names, replaces=st.booleans())
    def keep(self, name, replaces):
        self.number += 1
        body = self.number.to_bytes(4)

        async def work():
            is_kept, mark = await self.answers.keep(Entry(name, body, 60, LABELS[name]), replaces=replaces)
            self.edge.receive(name, body if is_kept else None, mark)

        self._begin(work())

    @precondition(lambda self: len(self.running) < AT_ONCE)
    @rule(selection=selections)
    def purge(self, selection):
        """What was in the store when the purge was asked for is gone when it is answered; what an operation that still runs
        brings may be later than the purge."""
        kept = {name: self._kept(name) for name in LABELS if selection.fits(name, LABELS[name])}

        async def work():
            await self.answers.purge(selection)
            for name, number in kept.items():
                self.purged[name] = max(self.purged[name], number)

        self._begin(work())

    def _begin(self, work):
        self.running.append(work)
        self._take_on(len(self.running) - 1)

    def _take_on(self, index):
        try:
            self.running[index].send(None)
        except StopIteration:
            del self.running[index]

    def _kept(self, name):
        entry = self.answers._store._store._inner._entries.get(name)
        return int.from_bytes(entry.body) if entry else 0

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def take_a_step(self, data):
        self._take_on(data.draw(st.integers(0, len(self.running) - 1)))

    @precondition(
        lambda self: self.edge.heard is None or self.edge.heard != self.log.mark or self.edge._letters is None
    )
    @rule()
    def listen(self):
        self.edge.listen()

    @rule()
    def lose_the_watch(self):
        self.edge.hang_up()

    @invariant()
    def no_copy_was_purged(self):
        """An edge that has heard of everything holds nothing that was purged and acknowledged."""
        if self.edge.heard != self.log.mark:
            return
        for name, (body, _) in self.edge.copies.items():
            assert int.from_bytes(body) > self.purged[name]

    def teardown(self):
        for work in self.running:
            work.close()


TestCopies = Copies.TestCase
TestCopies.settings = settings(max_examples=200, deadline=None)
