"""A stream that breaks off in the middle, and goes on at another target."""

import asyncio

import orjson
import pytest
from attempts.scene import OK, Ground, Scene, said, whys

from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.weaving import Weaving
from provider_svc.pricing.bill import Owed, add_owed
from provider_svc.translating import Translating
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.dialect_pb2 import DIALECT_OPENAI_CHAT as CHAT
from runestone.common.v1.usage_pb2 import Usage

CUT = RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut", upstream_status=200)
REFUSED = RunestoneError(Reason.PROVIDER_REFUSED, "no", upstream_status=400)

TWO = """
providers: [{name: a, kind: openai, retries: {attempts: 0}}, {name: b, kind: openai, retries: {attempts: 0}}]
models:
  - {name: m, targets: [{provider: a, model: x}, {provider: b, model: y, priority: 1}], continue_streams: true}
  - {name: plain, targets: [{provider: a, model: x}, {provider: b, model: y, priority: 1}]}
"""
QUESTION = {"messages": [{"role": "user", "content": "count"}]}


def delta(text="", **more):
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": None, **more}
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]}
    return said(f"data: {orjson.dumps(event).decode()}\n\n")


END = (delta(finish_reason="stop"), said("data: [DONE]\n\n"))


class Stage(Scene):
    """Whose providers are translated for, as real ones are."""

    def open(self, configured):
        return Translating(super().open(configured), SystemClock())

    async def ask(self, model="m", **options):
        import msgspec

        members = {name: msgspec.Raw(orjson.dumps(value)) for name, value in QUESTION.items()}
        return await super().ask(model, members=members, dialect=CHAT, **options)


def words_of(ground):
    frames = [line[6:] for line in ground.body.split("\n") if line.startswith("data: {")]
    choices = [choice for frame in frames for choice in orjson.loads(frame)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


async def test_the_next_target_goes_on_with_the_words_so_far():
    stage = Stage(TWO)
    stage.played["a"].scripts.append([OK, delta("one two "), CUT])
    stage.played["b"].scripts.append([OK, delta("three"), *END])
    journey, ground = await stage.ask()
    assert words_of(ground) == "one two three"
    assert whys(journey)[1] == ("b", "continue")
    assert ground.body.count(": continued by b/y\n\n") == 1
    assert ground.body.count("[DONE]") == 1
    assert [attempt.provider for attempt in ground.accepted] == ["a", "b"]
    asked = orjson.loads(bytes(stage.played["b"].calls[0].members["messages"]))
    assert [turn["role"] for turn in asked] == ["user", "assistant", "user"]
    assert stage.extra("continue") == 1


async def test_a_part_that_does_not_begin_gives_way_to_another():
    stage = Stage(TWO.replace("attempts: 0", "attempts: 2, backoff: 1ms"))
    stage.played["a"].scripts.append([OK, delta("one "), CUT])
    stage.played["b"].scripts.extend([[CUT], [OK, delta("two"), *END]])
    _, ground = await stage.ask()
    assert words_of(ground) in {"one two", "one a"}


@pytest.mark.parametrize("failure", [REFUSED, RunestoneError(Reason.INTERNAL, "a bug")])
async def test_what_would_fail_anywhere_does_not_go_on(failure):
    stage, ground = Stage(TWO), Ground()
    stage.played["a"].scripts.append([OK, delta("one "), failure])
    with pytest.raises(RunestoneError):
        await stage.ask(ground=ground)
    assert (words_of(ground), len(stage.last.attempts)) == ("one ", 1)


async def test_a_stream_ends_honestly_where_nobody_can_go_on():
    stage, ground = Stage(TWO), Ground()
    stage.played["a"].scripts.append([OK, delta("one "), CUT])
    stage.played["b"].scripts.append([OK, delta("two "), CUT])
    with pytest.raises(RunestoneError) as error:
        await stage.ask(ground=ground)
    assert (error.value.reason, words_of(ground)) == (Reason.PROVIDER_STREAM_CUT, "one two ")
    assert "[DONE]" not in ground.body


async def test_routes_that_do_not_ask_for_it_end_where_they_break_off():
    stage, ground = Stage(TWO), Ground()
    stage.played["a"].scripts.append([OK, delta("one "), CUT])
    with pytest.raises(RunestoneError):
        await stage.ask("plain", ground=ground)
    assert len(stage.last.attempts) == 1


async def test_a_document_is_asked_anew():
    stage = Stage(TWO)
    stage.played["a"].scripts.append([OK, CUT])
    stage.played["b"].scripts.append([OK, said('{"choices": []}')])
    journey, ground = await stage.ask(stream=False)
    assert (ground.body, whys(journey)[1]) == ('{"choices": []}', ("b", "failover"))


def test_parts_are_paid_together_and_what_is_not_known_is_not_guessed():
    one = Owed(Usage(input_tokens=3, output_tokens=1, is_estimated=True), Cost(nano_usd=5, is_estimated=True))
    two = Owed(Usage(input_tokens=4, output_tokens=2), Cost(nano_usd=7))
    assert add_owed([two]) == two
    both = add_owed([one, two])
    assert (both.usage.input_tokens, both.usage.output_tokens, both.usage.is_estimated) == (7, 3, True)
    assert both.cost == Cost(nano_usd=12, is_estimated=True)
    assert add_owed([one, Owed(Usage(input_tokens=1))]).cost is None


async def test_what_the_part_that_broke_off_used_counts_also_where_another_ran_beside_it():
    """The last upstream call that was begun need not be the one that was told: its hedge lost."""
    stage = Stage(TWO.replace("continue_streams: true", "continue_streams: true, hedging: {after: 1ms}"))
    stage.played["a"].scripts.append([asyncio.sleep(0.02), OK, delta("one two "), CUT])
    stage.played["b"].scripts += [[asyncio.Event().wait()], [OK, delta("three"), *END]]
    told = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Weaving,
            "break_off",
            lambda weaving, usage, inner=Weaving.break_off: (told.append(usage), inner(weaving, usage)),
        )
        _, ground = await stage.ask()
    assert words_of(ground) == "one two three"
    assert [usage.output_tokens for usage in told] == [2]
