"""Answers under an idempotency key are read by nobody but the service, and hold as they do without encryption."""

import secrets

import pytest

from cache_svc.encryption.sealed_state import SealedState
from cache_svc.state.memory import MemoryState
from cache_svc.state.redis_state import RedisState
from cache_svc.state.store import CLAIMED, MISMATCH, Ask, Outcome, Standing, digest
from cache_svc.store import Bounds
from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError

ONE, OTHER = b"1" * 32, b"2" * 32
KEY = digest("call", "tests", "key")
QUESTION, ANOTHER = b"q" * 32, b"r" * 32


def ask(question=QUESTION, key=KEY):
    return Ask(key=key, fingerprint=question, token=secrets.token_bytes(16), claim_ttl=60.0)


async def answer(state, key=KEY):
    asked = ask(key=key)
    assert await state.begin(asked) == CLAIMED
    assert await state.finish(key, asked.token, b"canary-answer", 60.0)


@pytest.fixture
def inner(medium, request):
    if medium == "memory":
        return MemoryState(Bounds(max_entries=100, max_bytes=100_000), SystemClock())
    return RedisState(request.getfixturevalue(medium), 10_000)


def seal(inner, *masters):
    return SealedState(inner, masters, secrets.token_bytes)


async def test_an_answer_is_given_again_for_the_same_question_only(inner):
    await answer(seal(inner, ONE))
    other_process = seal(inner, ONE)
    assert await other_process.begin(ask()) == Outcome(Standing.ANSWERED, b"canary-answer")
    assert await other_process.begin(ask(ANOTHER)) == MISMATCH


async def test_a_change_of_the_master_key_changes_nothing_for_callers(inner):
    await answer(seal(inner, ONE))
    running = ask(key=digest("call", "tests", "running"))
    assert await seal(inner, ONE).begin(running) == CLAIMED
    changed = seal(inner, OTHER, ONE)
    assert (await changed.begin(ask())).answer == b"canary-answer"
    assert await changed.begin(ask(ANOTHER)) == MISMATCH
    assert (await changed.begin(ask(key=running.key))).standing is Standing.RUNNING


async def test_an_answer_moved_to_another_key_is_refused_and_its_call_not_made_again(inner):
    state, elsewhere = seal(inner, ONE), digest("call", "tests", "elsewhere")
    await answer(state)
    claim = ask(key=elsewhere)
    await state.begin(claim)
    await inner.finish(elsewhere, claim.token, b"moved or damaged", 60.0)
    with pytest.raises(RunestoneError) as caught:
        await state.begin(ask(key=elsewhere))
    assert caught.value.reason is Reason.UNAVAILABLE


@pytest.mark.parametrize("medium", ["redis_pool"], indirect=True)
async def test_nothing_readable_of_a_call_stands_in_redis(inner, redis_pool):
    await answer(seal(inner, ONE))
    (key,) = await redis_pool.ask("KEYS", "*")
    written = key + b"".join(await redis_pool.ask("HVALS", key))
    assert written
    for canary in (b"canary", QUESTION, ONE):
        assert canary not in written
