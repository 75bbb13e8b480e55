"""What every place for shared state promises, over all of them; two replicas where the store is shared."""

import asyncio
import itertools
import secrets

import pytest

from cache_svc.encryption.master_seal import HEADER_SIZE
from cache_svc.encryption.sealed_state import SealedState
from cache_svc.encryption.sealing import TAG_SIZE
from cache_svc.state.memory import MemoryState
from cache_svc.state.redis_state import RedisState
from cache_svc.state.store import CLAIMED, MISMATCH, RUNNING, Ask, Outcome, Standing, digest
from cache_svc.store import Bounds
from chassis.clock import SystemClock
from chassis.config import Settings
from chassis.config.shared_state import largest_answer
from chassis.errors import Reason, RunestoneError

LARGEST = largest_answer(Settings())
QUESTION, ANOTHER = b"q" * 32, b"r" * 32
LONG = 60.0
SEAL = HEADER_SIZE + TAG_SIZE
SCOPE = digest("scope", "tests")
keys = (digest("call", "tests", str(number)) for number in itertools.count())


@pytest.fixture(params=["memory", "redis_pool", "cluster", "sealed memory", "sealed redis_pool"])
def replicas(request):
    """Two replicas of one truth: the same memory, or two who ask one Redis, or one cluster; as they are, or encrypted."""
    sealed, _, medium = request.param.rpartition(" ")
    one = new_state(request, medium, sealed)
    states = [one, one if medium == "memory" else new_state(request, medium, sealed)]
    return [seal(state) for state in states] if sealed else states


def seal(state):
    sealed = SealedState(state, [bytes(32)], secrets.token_bytes)
    sealed.changes = state.changes  # what these tests look at
    return sealed


def new_state(request, medium, sealed):
    """One whose largest answer is the same with its seal."""
    seal = SEAL if sealed else 0
    if medium != "memory":
        return RedisState(request.getfixturevalue(medium), LARGEST + seal)
    state = Settings().cache.state
    return MemoryState(Bounds(max_entries=state.max_size, max_bytes=state.max_bytes + 8 * seal), SystemClock())


@pytest.fixture
def state(replicas):
    return replicas[0]


@pytest.fixture
def key():
    return next(keys)


def ask(key, question=QUESTION, claim_ttl=LONG):
    return Ask(key=key, fingerprint=question, token=secrets.token_bytes(16), claim_ttl=claim_ttl)


async def is_lost(doing):
    with pytest.raises(RunestoneError) as caught:
        await doing
    return caught.value.reason is Reason.NOT_FOUND


async def test_of_many_who_show_a_nonce_one_is_first(replicas, key):
    shown = await asyncio.gather(*(replicas[number % 2].remember_nonce(SCOPE, key, LONG) for number in range(40)))
    assert sum(shown) == 1


async def test_a_nonce_is_remembered_for_its_time(state, key):
    assert await state.remember_nonce(SCOPE, key, 0.02)
    assert not await state.remember_nonce(SCOPE, key, LONG)
    await asyncio.sleep(0.03)
    assert await state.remember_nonce(SCOPE, key, LONG)


async def test_of_many_who_begin_one_holds_the_claim(replicas, key):
    outcomes = await asyncio.gather(*(replicas[number % 2].begin(ask(key)) for number in range(40)))
    assert outcomes.count(CLAIMED) == 1 and outcomes.count(RUNNING) == 39


async def test_who_holds_a_claim_may_ask_for_it_again(state, key):
    """An edge whose first question was cut asks again with its token."""
    mine = ask(key)
    assert [await state.begin(mine), await state.begin(mine)] == [CLAIMED, CLAIMED]
    assert await state.begin(ask(key)) == RUNNING


async def test_an_answer_is_given_to_everybody_as_it_was_kept(replicas, key):
    mine, answer = ask(key), bytes(range(256)) * 10
    await replicas[0].begin(mine)
    assert await replicas[0].finish(key, mine.token, answer, LONG)
    for replica in replicas:
        assert await replica.begin(ask(key)) == Outcome(Standing.ANSWERED, answer)
    assert await replicas[1].begin(mine) == Outcome(Standing.ANSWERED, answer)


async def test_another_question_under_the_key_is_a_mismatch_before_and_after_the_answer(state, key):
    mine = ask(key)
    await state.begin(mine)
    assert await state.begin(ask(key, ANOTHER)) == MISMATCH
    await state.finish(key, mine.token, b"answer", LONG)
    assert await state.begin(ask(key, ANOTHER)) == MISMATCH


async def test_an_abandoned_key_is_free_for_any_question(replicas, key):
    mine = ask(key)
    await replicas[0].begin(mine)
    await replicas[1].abandon(key, mine.token)
    assert await replicas[0].begin(ask(key, ANOTHER)) == CLAIMED


async def test_a_claim_that_ran_out_is_free_and_lost_to_who_held_it(state, key):
    mine, next_one = ask(key, claim_ttl=0.01), ask(key)
    assert await state.begin(mine) == CLAIMED
    await asyncio.sleep(0.02)
    assert await is_lost(state.renew(key, mine.token, LONG))
    assert await state.begin(next_one) == CLAIMED
    assert await is_lost(state.finish(key, mine.token, b"too late", LONG))
    await state.abandon(key, mine.token)
    await state.renew(key, next_one.token, LONG)


async def test_a_renewed_claim_lasts(state, key):
    mine = ask(key, claim_ttl=0.05)
    await state.begin(mine)
    await state.renew(key, mine.token, LONG)
    await asyncio.sleep(0.06)
    assert await state.begin(ask(key)) == RUNNING


@pytest.mark.parametrize("token", [b"", b"1" * 16], ids=["none", "another"])
async def test_nobody_else_ends_a_claim_or_changes_an_answer(state, key, token):
    mine = ask(key)
    await state.begin(mine)
    assert await is_lost(state.renew(key, token, LONG))
    assert await is_lost(state.finish(key, token, b"forged", LONG))
    await state.abandon(key, token)
    assert await state.begin(ask(key)) == RUNNING
    await state.finish(key, mine.token, b"answer", LONG)
    assert await is_lost(state.finish(key, mine.token, b"another", LONG))
    await state.abandon(key, mine.token)
    assert await state.begin(ask(key)) == Outcome(Standing.ANSWERED, b"answer")


async def test_an_answer_is_forgotten_in_time(state, key):
    mine = ask(key)
    await state.begin(mine)
    await state.finish(key, mine.token, b"answer", 0.01)
    await asyncio.sleep(0.02)
    assert await state.begin(ask(key, ANOTHER)) == CLAIMED


async def test_an_answer_that_is_too_large_is_not_kept_and_frees_the_key(state, key):
    mine = ask(key)
    await state.begin(mine)
    assert not await state.finish(key, mine.token, b"x" * (LARGEST + 1), LONG)
    assert await state.begin(ask(key)) == CLAIMED


@pytest.mark.parametrize("end", ["finish", "abandon"])
async def test_who_waits_hears_of_the_end_wherever_it_is_said(replicas, key, end):
    mine = ask(key)
    await replicas[0].begin(mine)
    hearing = [asyncio.create_task(until_changed(replica, key)) for replica in replicas for _ in range(5)]
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in hearing)
    await (replicas[0].finish(key, mine.token, b"a", LONG) if end == "finish" else replicas[0].abandon(key, mine.token))
    outcomes = await asyncio.wait_for(asyncio.gather(*hearing), 20)
    if end == "finish":
        assert outcomes == [Outcome(Standing.ANSWERED, b"a")] * 10
    else:
        assert outcomes.count(CLAIMED) >= 1
    assert [len(replica.changes) for replica in replicas] == [0, 0]


async def until_changed(state, key):
    """How the key stands for somebody who waits, each time with a claim that is given up at once."""
    waited = 0.0
    while True:
        assert await state.wait_for_change(key, waited=waited, patience=LONG)
        mine = ask(key)
        outcome = await state.begin(mine)
        if outcome != RUNNING:
            await state.abandon(key, mine.token)
            return outcome
        waited += 0.05


async def test_patience_ends_a_wait(state, key):
    await state.begin(ask(key))
    assert await state.wait_for_change(key, waited=0, patience=0.01)


async def test_when_the_service_stops_nobody_waits_any_more(state, key):
    await state.begin(ask(key))
    waiting = asyncio.create_task(state.wait_for_change(key, waited=1e6, patience=LONG))
    await asyncio.sleep(0)
    state.changes.close()
    assert not await asyncio.wait_for(waiting, 20)
    assert not await state.wait_for_change(key, waited=0, patience=LONG)


async def test_a_wait_that_is_cancelled_leaves_nothing(state, key):
    waiting = asyncio.create_task(state.wait_for_change(key, waited=1e6, patience=LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert len(state.changes) == 0


async def test_a_note_is_found_by_every_replica_until_another_takes_its_place(replicas, key):
    assert await replicas[1].find_note(key) is None
    await replicas[0].keep_note(SCOPE, key, b"openai", LONG)
    assert [await replica.find_note(key) for replica in replicas] == [b"openai", b"openai"]
    await replicas[1].keep_note(SCOPE, key, b"azure", LONG)
    assert await replicas[0].find_note(key) == b"azure"


async def test_a_note_is_kept_for_its_time(state, key):
    await state.keep_note(SCOPE, key, b"soon over", 0.02)
    while await state.find_note(key) is not None:
        await asyncio.sleep(0.01)


def test_no_choice_of_parts_makes_two_things_one():
    assert len({digest(*parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("", "abc"))}) == 5
