"""Any order of joining, leaving, pausing, falling behind, data, ends and failures: whoever stays hears one upstream call's bytes,
whole, or an honest failure behind a part of them."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from chassis.errors import Reason, RunestoneError
from provider_svc.provider import Begun, Chunk

KEYS = (b"a" * 32, b"b" * 32)
ROOMY = {"ring": 10_000, "window": 10_000}
NARROW = {"ring": 24, "window": 8}  # three events: some are lost to the slow, and some flights to the late


@dataclass
class Script:
    """What the test lets one upstream call bring."""

    sent: list[bytes] = field(default_factory=list)
    end: str = ""

    @property
    def body(self):
        return b"".join(self.sent)


class Sharing(RuleBasedStateMachine):
    """A tower on a loop of its own, driven from outside; `new_tower` and `bounds` come from the test."""

    subscribers = Bundle("subscribers")

    def __init__(self, new_tower, bounds):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bounds = bounds
        self.tower = new_tower(**bounds)
        self.scripts = []
        self.stayed = {}  # name: the question's key, subscription, and what is heard once somebody listens
        self.names = 0

    def run(self, act):
        """Does `act` inside the loop, then lets all happen that can; new upstream calls get a script."""

        async def do():
            done = act()
            await self.tower.settle()
            return done

        done = self.loop.run_until_complete(do())
        while len(self.scripts) < len(self.tower.upstreams):
            self.scripts.append(Script())
        return done

    def pick(self, number):
        """One of the upstream calls that are not over: its number, or None."""
        running = [each for each, script in enumerate(self.scripts) if not script.end and self.is_open(each)]
        return running[number % len(running)] if running else None

    def is_open(self, number):
        return not self.tower.upstreams[number].is_closed

    @rule(target=subscribers, key=st.sampled_from((*KEYS, *KEYS[:1] * 2)), listens=st.booleans())
    def ask(self, key, listens):
        self.names += 1
        name = f"c{self.names}"
        subscription = self.run(lambda: self.tower.ask(name, key))
        self.stayed[name] = [key, subscription, None]
        if listens:
            self.listen(name)
        return name

    def listen(self, name):
        entry = self.stayed[name]
        if entry[2] is None:
            entry[2] = self.run(lambda: self.tower.listen(entry[1]))

    @rule(name=consumes(subscribers))
    def leave(self, name):
        _, subscription, heard = self.stayed.pop(name)
        self.run(subscription.leave)
        if heard is not None:
            self.loop.run_until_complete(heard.leave())

    @rule(name=subscribers, action=st.sampled_from(["pause", "pause", "resume", "cancel"]))
    def steer(self, name, action):
        acts = {
            "pause": lambda: self.tower.pause(name),
            "resume": lambda: self.tower.pause(name, paused=False),
            "cancel": lambda: self.tower.stop_call(name),
        }
        with suppress(RunestoneError):  # NOT_FOUND: a call that was ended is forgotten
            self.run(acts[action])

    @rule(number=st.integers(0, 9), events=st.integers(1, 9))
    def bring(self, number, events):
        if (chosen := self.pick(number)) is None:
            return
        script, steps = self.scripts[chosen], []
        for _ in range(events):
            event = b"%02d:%04d;" % (chosen % 100, len(script.sent) + 1)
            steps += [Chunk(event, (len(event),))] if script.sent else [Begun(200), Chunk(event, (len(event),))]
            script.sent.append(event)
        self.run(lambda: self.tower.upstreams[chosen].play(*steps))

    @rule(number=st.integers(0, 9), end=st.sampled_from(["whole", "PROVIDER_STREAM_CUT", "PROVIDER_REFUSED"]))
    def end(self, number, end):
        if (chosen := self.pick(number)) is None:
            return
        self.scripts[chosen].end = end
        step = None if end == "whole" else RunestoneError(Reason[end], "as the test says")
        self.run(lambda: self.tower.upstreams[chosen].play(step))

    @rule(seconds=st.sampled_from([1.0, 3.0, 6.0]))
    def wait(self, seconds):
        self.tower.clock.advance(seconds)

    @invariant()
    def a_question_has_one_upstream_call(self):
        """Where nothing is lost to the late."""
        if self.bounds is ROOMY:
            for key in KEYS:
                mine = [each for each, up in enumerate(self.tower.upstreams) if up.question.key == key]
                assert sum(self.is_open(each) and not self.scripts[each].end for each in mine) <= 1

    def teardown(self):
        for name in list(self.stayed):
            self.steer(name, "resume")
            self.listen(name)
        for _ in range(3):  # what is tried again comes to its end, too
            for chosen, script in enumerate(list(self.scripts)):
                if not script.end and self.is_open(chosen):
                    script.end = "whole"
                    self.run(lambda chosen=chosen: self.tower.upstreams[chosen].play(None))
        try:
            self.loop.run_until_complete(self.tower.until_over(*(heard for *_, heard in self.stayed.values())))
            for key, _, heard in self.stayed.values():
                self.check(key, heard)
        finally:
            self.loop.run_until_complete(self.tower.flights.stop(0))
            self.loop.close()
        assert (self.tower.flights.running, self.tower.leases) == (0, 0)

    def check(self, key, heard):
        last = heard.events[-1]
        mine = [script for script, up in zip(self.scripts, self.tower.upstreams, strict=True) if up.question.key == key]
        if last.HasField("completed"):
            assert any(script.end == "whole" and script.body == heard.body for script in mine)
        else:
            assert any(script.body.startswith(heard.body) for script in mine)
            assert last.failed.last_seq == heard.body.count(b";")
            assert heard.reason in {"CANCELLED", "EVENTS_LOST", "PROVIDER_STREAM_CUT", "PROVIDER_REFUSED"}
        assert heard.kinds.count("accepted") == (heard.kinds[0] == "accepted")
        assert heard.kinds[0] == "accepted" or not heard.body
        assert not {"completed", "failed"} & set(heard.kinds[:-1])


@pytest.mark.parametrize("bounds", [ROOMY, NARROW], ids=["roomy", "narrow"])
def test_whoever_stays_hears_one_answer_whole_or_that_it_is_not(new_tower, bounds):
    run_state_machine_as_test(
        lambda: Sharing(new_tower, bounds),
        settings=settings(max_examples=100, stateful_step_count=40, deadline=None),
    )
