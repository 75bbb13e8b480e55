"""When something goes wrong with calls asked together: nobody pays for another's mistake, and nobody reads of it."""

import asyncio
from math import log2

import pytest
from batching.stage import BAD, WINDOW, ask, ask_all, begin, call_of, in_own_time, inputs_of, open_batching, vector

from chassis.errors import Reason, RunestoneError


@pytest.mark.parametrize("place", range(5))
@in_own_time
async def test_of_a_refused_batch_only_the_guilty_one_fails_in_words_about_itself(place):
    batching, fake = open_batching()
    texts = [f"{BAD} {at}" if at == place else f"good {at}" for at in range(5)]
    calls = [call_of(text) for text in texts]
    answers = await ask_all(batching, calls)
    for text, answer in zip(texts, answers, strict=True):
        if BAD in text:
            assert (answer.reason, answer.message) == (Reason.PROVIDER_REFUSED, f"no: {[text]}")
        else:
            assert vector(text) in answer
    assert len(fake.asked) <= 1 + 2 * 3
    assert calls[place].meter.usage is None


@in_own_time
async def test_one_that_is_guilty_among_many_costs_twice_the_halvings():
    batching, fake = open_batching()
    answers = await ask_all(batching, [call_of(BAD if at == 17 else f"{at}") for at in range(64)])
    assert sum(isinstance(answer, RunestoneError) for answer in answers) == 1
    assert len(fake.asked) == 1 + 2 * log2(64)
    assert batching.statistics()["refused"] == log2(64)


@in_own_time
async def test_where_all_are_guilty_each_is_asked_alone_once():
    batching, fake = open_batching()
    answers = await ask_all(batching, [call_of(f"{BAD} {at}") for at in range(8)])
    assert {answer.message for answer in answers} == {f"no: ['{BAD} {at}']" for at in range(8)}
    assert len(fake.asked) == 8 + 7


FAILURES = [
    RunestoneError(Reason.PROVIDER_RATE_LIMITED, "slow: a, b", retry_after=1.5, code="x_y", param="input[1]", upstream_status=429),
    RunestoneError(Reason.PROVIDER_OVERLOADED, "busy with a, b", upstream_status=503),
    RunestoneError(Reason.PROVIDER_FAILED, "broke at a, b", code="at: a, b", upstream_status=500),
]  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
@in_own_time
async def test_a_providers_failure_is_everybodys_but_not_its_words(failure):
    """They may quote an input, and it is not this caller's alone."""
    batching, fake = open_batching()
    fake.failure = failure
    answers = await ask_all(batching, [call_of("a"), call_of("b")])
    assert len(fake.asked) == 1
    for answer in answers:
        assert (answer.reason, answer.retry_after) == (failure.reason, failure.retry_after)
        assert answer.upstream_status == failure.upstream_status
        assert "a, b" not in answer.message + answer.param + answer.code
    assert answers[0].code == ("x_y" if failure.code == "x_y" else "")
    assert answers[0] is not answers[1]


@in_own_time
async def test_what_went_wrong_on_the_wire_is_told_as_it_is():
    batching, fake = open_batching()
    fake.failure = RunestoneError(Reason.PROVIDER_TIMEOUT, "provider p sent nothing", may_have_begun=True)
    answers = await ask_all(batching, [call_of("a"), call_of("b")])
    assert {(answer.reason, answer.message) for answer in answers} == {
        (Reason.PROVIDER_TIMEOUT, "provider p sent nothing")
    }


@in_own_time
async def test_a_failure_of_a_call_that_is_alone_keeps_its_words():
    batching, fake = open_batching()
    fake.failure = FAILURES[0]
    with pytest.raises(RunestoneError, match="slow: a, b"):
        await ask(batching, call_of("a"))


ROW = b'{"embedding":[1],"index":%b}'
BROKEN = [
    b'{"data":[]}',
    b"{}",
    b'{"data":{"0":1}}',
    b'{"data":[1,2]}',
    b"[]",
    b'{"data":[%b]}' % ROW % b"0",
    b'{"data":[%b,%b]}' % (ROW % b"0", ROW % b"0"),
    b'{"data":[%b,%b]}' % (ROW % b"1", ROW % b"2"),
    b'{"data":[%b,%b]}' % (ROW % b"0", ROW % b"true"),
    b'{"data":[{"embedding":[1]},{"embedding":[2]}]}',
    b'{"data":[%b,%b,%b]}' % (ROW % b"0", ROW % b"1", ROW % b"2"),
]


@pytest.mark.parametrize("document", BROKEN)
@in_own_time
async def test_an_answer_without_exactly_one_result_for_each_is_nobodys(document):
    batching, fake = open_batching()
    fake.document = document
    answers = await ask_all(batching, [call_of("a"), call_of("b")])
    assert [answer.reason for answer in answers] == [Reason.PROVIDER_INVALID_ANSWER] * 2


@in_own_time
async def test_a_crash_reaches_everybody():
    batching, fake = open_batching()
    fake.failure = ZeroDivisionError("a bug")
    answers = await ask_all(batching, [call_of("a"), call_of("b")])
    assert [type(answer.__cause__) for answer in answers] == [ZeroDivisionError] * 2
    assert answers[0] is not answers[1]


@in_own_time
async def test_one_that_leaves_while_it_waits_is_not_asked_for():
    batching, fake = open_batching()
    leaving, *staying = await begin(batching, [call_of(text) for text in "abc"])
    leaving.cancel()
    await asyncio.gather(*staying)
    assert [inputs_of(call) for call in fake.asked] == [["b", "c"]]
    assert leaving.cancelled()


@in_own_time
async def test_where_all_leave_while_they_wait_nobody_is_asked_and_the_next_waits_its_own_time():
    batching, fake = open_batching()
    for task in await begin(batching, [call_of("a"), call_of("b")], WINDOW / 2):
        task.cancel()
    await asyncio.sleep(0)
    assert batching.statistics()["waiting"] == 0
    assert vector("c") in await ask(batching, call_of("c"))
    assert fake.times == [pytest.approx(1.5 * WINDOW)]


@in_own_time
async def test_one_that_leaves_while_the_batch_runs_gives_up_alone():
    batching, fake = open_batching()
    fake.gate.clear()
    calls = [call_of("a"), call_of("b")]
    leaving, staying = await begin(batching, calls, 2 * WINDOW)
    leaving.cancel()
    await asyncio.sleep(0)
    fake.gate.set()
    assert vector("b") in await staying
    assert (leaving.cancelled(), fake.cancelled) == (True, 0)
    assert [call.meter.usage and call.meter.usage.input_tokens for call in calls] == [None, 1]


@in_own_time
async def test_when_the_last_one_leaves_the_upstream_call_is_cancelled():
    batching, fake = open_batching()
    fake.gate.clear()
    tasks = await begin(batching, [call_of("a"), call_of("b")], 2 * WINDOW)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)
    assert (fake.cancelled, batching.statistics()["running"]) == (1, 0)


@in_own_time
async def test_who_left_a_refused_batch_is_not_asked_for_again():
    batching, fake = open_batching()
    fake.gate.clear()
    leaving, *staying = await begin(batching, [call_of(text) for text in ("a", BAD, "c")], 2 * WINDOW)
    leaving.cancel()
    await asyncio.sleep(0)
    fake.gate.set()
    guilty, innocent = await asyncio.gather(*staying, return_exceptions=True)
    assert (guilty.reason, vector("c") in innocent) == (Reason.PROVIDER_REFUSED, True)
    assert [inputs_of(call) for call in fake.asked[1:]] == [[BAD], ["c"]]


@in_own_time
async def test_closing_ends_what_waits_and_what_runs_and_leaves_no_task():
    batching, fake = open_batching()
    fake.gate.clear()
    running = await begin(batching, [call_of("a"), call_of("b")], 2 * WINDOW)
    waiting = await begin(batching, [call_of("c")])
    await batching.close()
    answers = await asyncio.gather(*running, *waiting, return_exceptions=True)
    assert [answer.reason for answer in answers] == [Reason.UNAVAILABLE] * 3
    assert (fake.cancelled, fake.is_closed) == (1, True)
    assert asyncio.all_tasks() == {asyncio.current_task()}
