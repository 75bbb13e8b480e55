"""What a user's middleware raises is its call's affair: it fails or goes on, and nobody else notices."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.containment.middleware import OnError
from gateway_edge.middleware.base import Proceed
from gateway_edge.plugin import change_answer

Body = Callable[[Call, Proceed], Awaitable[None]]
BREAKS = [ValueError("broken"), SystemExit(3), KeyboardInterrupt(), ConnectionRefusedError("its own service is down")]


async def fails(work: Awaitable[None]) -> RunestoneError:
    with pytest.raises(RunestoneError) as failed:
        await work
    return failed.value


def raising(error: BaseException, *, after: bool = False) -> Body:
    async def body(call: Call, proceed: Proceed) -> None:
        if after:
            await proceed(call)
        raise error

    return body


@pytest.mark.parametrize("error", BREAKS, ids=lambda error: type(error).__name__)
async def test_with_fail_the_call_is_a_500_that_says_nothing_of_the_inside(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any], error: BaseException
) -> None:
    answer, call = answering(b"answer"), make_call()
    failed = await fails(contain(raising(error), "fail")(call, answer))
    assert (failed.reason, failed.message) == (
        Reason.INTERNAL,
        "the middleware made failed; quote the request id",
    )
    assert failed.__cause__ is error and answer.asked == 0
    assert contain.count("fail") == 1
    assert contain.log.warnings == [
        {"event": "middleware raised", "middleware": "made", "request_id": call.id, "exc_info": error}
    ]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", BREAKS, ids=lambda error: type(error).__name__)
async def test_with_skip_the_call_goes_on_as_if_it_were_not_there(
    contain: Callable[..., Any],
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
    error: BaseException,
    after: bool,
) -> None:
    answer, call = answering(b"answer"), make_call()
    await contain(raising(error, after=after), "skip")(call, answer)
    assert (call.reply.body, answer.asked, contain.count("skip")) == (b"answer", 1, 1)
    assert [warning["exc_info"] for warning in contain.log.warnings] == [error]


@pytest.mark.parametrize("on_error", ["fail", "skip"])
async def test_a_refusal_is_meant_and_passes(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any], on_error: OnError
) -> None:
    refusal, answer = RunestoneError(Reason.PERMISSION_DENIED, "no"), answering(b"answer")
    assert await fails(contain(raising(refusal), on_error)(make_call(), answer)) is refusal
    assert (answer.asked, contain.count(on_error)) == (0, 0)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("error", [ValueError("behind"), RunestoneError(Reason.PROVIDER_FAILED, "behind")])
async def test_what_comes_from_behind_passes_untouched(
    contain: Callable[..., Any],
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
    on_error: OnError,
    error: Exception,
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        await proceed(call)

    with pytest.raises(type(error)) as raised:
        await contain(body, on_error)(make_call(), answering(error=error))
    assert raised.value is error and contain.count(on_error) == 0


async def test_a_middleware_that_breaks_over_an_error_from_behind_does_not_hide_it_when_skipped(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    behind = RunestoneError(Reason.PROVIDER_RATE_LIMITED, "behind", retry_after=3.0)

    async def body(call: Call, proceed: Proceed) -> None:
        try:
            await proceed(call)
        except RunestoneError as error:
            raise KeyError("broken") from error

    assert await fails(contain(body, "skip")(make_call(), answering(error=behind))) is behind
    assert contain.count("skip") == 1


async def test_proceeding_twice_is_refused_and_asks_once(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        await proceed(call)
        await proceed(call)

    answer, call = answering(b"answer"), make_call()
    await contain(body, "skip")(call, answer)
    assert (answer.asked, call.reply.body) == (1, b"answer")
    again = answering(b"answer")
    failed = await fails(contain(body, "fail")(make_call(), again))
    assert str(failed.__cause__) == "`proceed` may be called once only" and again.asked == 1


@pytest.mark.parametrize("on_error", ["fail", "skip"])
async def test_one_that_neither_proceeds_nor_answers_is_named(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any], on_error: OnError
) -> None:
    """The mistake of a first middleware: `proceed` forgotten."""

    async def body(call: Call, proceed: Proceed) -> None:
        call.reply.headers["x-stamp"] = "seen"

    answer, call = answering(b"answer"), make_call()
    run = contain(body, on_error)(call, answer)
    if on_error == "fail":
        assert "middleware made failed" in (await fails(run)).message
    else:
        await run
    assert answer.asked == (on_error == "skip") and contain.count(on_error) == 1


async def test_a_middleware_may_answer_by_itself(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        await call.reply.send(b"mine", status=203)

    answer, call = answering(b"answer"), make_call()
    await contain(body, "fail")(call, answer)
    assert (call.reply.body, call.reply.status, answer.asked, contain.count("fail")) == (b"mine", 203, 0, 0)


async def test_one_that_raises_after_it_began_to_answer_cannot_be_skipped(
    contain: Callable[..., Any], make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    """A second answer behind its half would look like one."""

    async def body(call: Call, proceed: Proceed) -> None:
        await call.reply.write(b"data: half\n\n")
        raise ValueError("broken")

    answer, call = answering(b"answer"), make_call()
    assert (await fails(contain(body, "skip")(call, answer))).reason is Reason.INTERNAL
    assert (call.reply.body, answer.asked) == (b"data: half\n\n", 0)


@pytest.mark.parametrize("on_error", ["fail", "skip"])
@pytest.mark.parametrize("end", [None, ValueError("broken"), RunestoneError(Reason.INVALID_REQUEST, "no")])
async def test_the_reply_is_put_back_whatever_happens(
    contain: Callable[..., Any],
    make_call: Callable[..., Call],
    answering: Callable[..., Any],
    on_error: OnError,
    end: Exception | None,
) -> None:
    async def body(call: Call, proceed: Proceed) -> None:
        change_answer(call, bytes.upper)
        await proceed(call)
        if end is not None:
            raise end

    call = make_call()
    client = call.reply
    try:
        await contain(body, on_error)(call, answering(b"answer"))
    except RunestoneError as error:
        assert end is not None
        assert error is end or error.__cause__ is end  # noqa: PT017  whether it raises is another test's
    assert call.reply is client and client.body == b"ANSWER"
