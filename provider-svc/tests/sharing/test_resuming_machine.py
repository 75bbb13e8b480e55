"""Any order of beginning, leaving, coming back, looking on, detaching, pausing, cancelling and waiting: a call lives exactly as long as its
windows say, who follows it to the end hears all of it once, and one of those who may settles it."""

import asyncio
import math
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from provider_svc.flights import TOGETHER
from provider_svc.provider import Begun, Chunk

KEY = b"s" * 32
RESUME, PAUSE = 10.5, 7.25  # seconds: neither ends in one moment with the other, or with a wait
SIZE = 8  # bytes of an event
NEVER = 1e6  # seconds until a deadline


@dataclass(eq=False)
class Reader:
    """One subscription of a call: what it is to it, from where it reads, and what it has heard."""

    heard: object
    role: str  # follows, or watches
    after: int = 0


@dataclass(eq=False)
class Expected:
    """What is to become of one call."""

    name: str
    upstream: int
    resume: float
    pause: float
    began: str = "follows"  # then: watches, gone, ended
    readers: list[Reader] = field(default_factory=list)  # the first is who began it, as long as it is there
    everybody: list[Reader] = field(default_factory=list)
    is_paused: bool = False
    paused_at: float = math.inf
    left_at: float = math.inf
    gone_at: float = math.inf
    why: str = ""  # it ended by itself

    @property
    def follows(self):
        return any(reader.role == "follows" for reader in self.readers)


@dataclass
class Script:
    """What an upstream call was let bring."""

    events: int = 0
    end: str = ""


class Resuming(RuleBasedStateMachine):
    """A tower on a loop whose time is the test's; `new_tower` and whether calls share come from the test."""

    def __init__(self, new_tower, *, share):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.tower = new_tower()
        self.loop.time = self.tower.clock.monotonic
        self.share = share
        self.calls = []
        self.scripts = []

    # what is done

    def run(self, act=lambda: None):
        async def do():
            done = act()
            await self.tower.settle()
            return done

        return self.loop.run_until_complete(do())

    def now(self):
        return self.tower.clock.monotonic()

    def is_over(self, call):
        return bool(call.why or self.scripts[call.upstream].end)

    def pick(self, number, *, running=True):
        calls = [call for call in self.calls if not running or not self.is_over(call)]
        return calls[number % len(calls)] if calls else None

    @rule(resumable=st.booleans(), pausable=st.booleans())
    def begin(self, resumable, pausable):
        name = f"c{len(self.calls)}"
        windows = {"resume": RESUME * resumable, "pause": PAUSE if pausable else math.inf}
        key = KEY if self.share else name.encode().ljust(32)
        reader = Reader(self.run(lambda: self.tower.hear(name, key, seconds=NEVER, **windows)), "follows")
        while len(self.scripts) < len(self.tower.upstreams):
            self.scripts.append(Script())
        upstream = next(
            each for each in reversed(range(len(self.scripts))) if self.tower.upstreams[each].question.key == key
        )
        call = Expected(name, upstream, windows["resume"], windows["pause"], readers=[reader], everybody=[reader])
        self.calls.append(call)

    @rule(number=st.integers(0, 9), back=st.integers(0, 3), role=st.sampled_from(["follows", "follows", "watches"]))
    def attach(self, number, back, role):
        if (call := self.pick(number)) is None:
            return
        after = max(self.tower.count_events(call.name) - back, 0)
        heard = self.run(lambda: self.tower.attach(call.name, after_seq=after, is_watching=role == "watches"))
        reader = Reader(heard, role, after)
        call.readers.append(reader)
        call.everybody.append(reader)
        if role == "follows":
            call.left_at = math.inf

    @rule(number=st.integers(0, 9), which=st.integers(0, 3))
    def leave(self, number, which):
        call = self.pick(number)
        if call is None or not call.readers:
            return
        reader = call.readers[which % len(call.readers)]
        call.readers.remove(reader)
        call.everybody.remove(reader)
        if reader.heard.has_begun:
            call.began, call.gone_at = "gone", self.now()
        self.loop.run_until_complete(reader.heard.leave())
        self.run()
        if reader.role == "follows":
            self.note_left(call)

    @rule(number=st.integers(0, 9))
    def detach(self, number):
        if (call := self.pick(number)) is None:
            return
        self.run(lambda: self.tower.detach(call.name))
        if call.began == "follows":
            call.began = "watches"
            next(reader for reader in call.readers if reader.heard.has_begun).role = "watches"
            self.note_left(call)

    def note_left(self, call):
        if call.follows or self.is_over(call):
            return
        if call.resume:
            call.left_at = self.now()
        else:
            call.why = "CANCELLED"

    @rule(number=st.integers(0, 9), is_paused=st.booleans())
    def pause(self, number, is_paused):
        if (call := self.pick(number)) is None:
            return
        self.run(lambda: self.tower.pause(call.name, paused=is_paused))
        if is_paused != call.is_paused:
            call.is_paused, call.paused_at = is_paused, self.now() if is_paused else math.inf

    @rule(number=st.integers(0, 9))
    def cancel(self, number):
        if (call := self.pick(number)) is not None:
            self.run(lambda: self.tower.stop_call(call.name))
            call.why = "CANCELLED"
            if call.began == "gone" and self.now() - call.gone_at <= TOGETHER:
                call.began = "ended"

    @rule(number=st.integers(0, 9), events=st.integers(1, 4))
    def bring(self, number, events):
        if (call := self.pick(number)) is None:
            return
        script, steps = self.scripts[call.upstream], []
        for _ in range(events):
            event = b"%07d;" % (script.events + 1)
            steps += [Chunk(event, (SIZE,))] if script.events else [Begun(200), Chunk(event, (SIZE,))]
            script.events += 1
        self.run(lambda: self.tower.upstreams[call.upstream].play(*steps))

    @precondition(lambda self: not any(call.is_paused for call in self.calls if not self.is_over(call)))
    @rule(number=st.integers(0, 9))
    def end(self, number):
        """Not while somebody is paused: whether the end was read would be the played provider's matter."""
        if (call := self.pick(number)) is not None:
            self.scripts[call.upstream].end = "whole"
            self.run(lambda: self.tower.upstreams[call.upstream].play(None))

    @rule(seconds=st.sampled_from([1.0, 3.0, 6.0, 8.0]))
    def wait(self, seconds):
        self.tower.clock.advance(seconds)
        self.run()
        for call in self.calls:
            if not self.is_over(call):
                left, paused = call.left_at + call.resume, call.paused_at + call.pause
                if min(left, paused) <= self.now():
                    call.why = "CANCELLED" if left <= paused else "DEADLINE_EXCEEDED"

    # what holds

    @invariant()
    def an_upstream_call_is_closed_when_no_call_wants_it_and_not_before(self):
        for each, script in enumerate(self.scripts):
            is_wanted = any(call.upstream == each and not call.why for call in self.calls)
            if not script.end:
                assert self.tower.upstreams[each].is_closed != is_wanted, (each, self.calls)

    @invariant()
    def those_that_nobody_follows_are_counted(self):
        left = sum(not self.is_over(call) and not call.follows for call in self.calls)
        assert self.tower.flights.left == left

    @invariant()
    def who_waits_is_told_when_a_call_ends(self):
        for call in self.calls:
            if self.is_over(call) and not call.is_paused:
                assert all(reader.heard.task.done() for reader in call.everybody), call

    def teardown(self):
        try:
            for call in self.calls:
                if not self.is_over(call):
                    self.pause(self.running().index(call), is_paused=False)
            for each, script in enumerate(self.scripts):
                if not script.end and not self.tower.upstreams[each].is_closed:
                    script.end = "whole"
                    self.run(lambda each=each: self.tower.upstreams[each].play(None))
            for call in self.calls:
                self.check(call)
        finally:
            self.loop.run_until_complete(self.tower.flights.stop(0))
            self.loop.close()
        assert (self.tower.flights.running, self.tower.leases, self.tower.flights.left) == (0, 0, 0)

    def running(self):
        return [call for call in self.calls if not self.is_over(call)]

    def check(self, call):
        for reader in call.everybody:
            heard = reader.heard
            numbers = [int(part) for part in heard.body.split(b";") if part]
            assert numbers == list(range(reader.after + 1, reader.after + 1 + len(numbers)))
            if call.why:
                assert heard.reason == call.why
            else:
                assert heard.kinds[-1] == "completed"
                assert reader.after + len(numbers) == self.scripts[call.upstream].events
        self.check_settling(call)

    def check_settling(self, call):
        """One of those who follow is told, where who began it is gone; who heard the end himself, or made it, is not helped."""
        told = [reader for reader in call.everybody if reader.heard.settles]
        may = [reader for reader in call.everybody if reader.role == "follows" and not reader.heard.has_begun]
        assert len(told) == bool(call.resume and call.began == "gone" and may)
        assert all(reader in may for reader in told)


@pytest.mark.parametrize("share", [False, True], ids=["alone", "sharing"])
def test_a_call_lives_as_long_as_its_windows_say_and_is_settled_once(new_tower, share):
    run_state_machine_as_test(
        lambda: Resuming(new_tower, share=share),
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None),
    )
