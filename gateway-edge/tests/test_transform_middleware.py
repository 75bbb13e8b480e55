"""The step `transform` among the others: what is asked, whom it may reach, and what the client is sent."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from chassis.config import Catalog
from chassis.config.models import Model, Target
from chassis.config.providers import Provider
from chassis.config.schema import Scopes
from chassis.config.shapes import convert
from chassis.config.transform import TransformOptions
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.callers.scopes import Scope
from gateway_edge.callers.tenants import Principal
from gateway_edge.middleware.base import Middleware, Pipeline, Proceed
from gateway_edge.middleware.transform import Transform
from gateway_edge.middleware.validate import Validate
from gateway_edge.question.fingerprint import fingerprint

QUESTION = {"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
HIDDEN = "x-runestone-provider"


class End:
    """The last middleware of a pipeline: `answer` stands for the provider."""

    name = "end"

    def __init__(self, answer: Callable[[Call], Any]) -> None:
        self._answer = answer

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        await self._answer(call)


@pytest.fixture
def models() -> Catalog:
    target = Target(provider="sim", model="simulated")
    names = ("simulated", "fast", "secret")
    return Catalog([Model(name=name, targets=[target]) for name in names], [Provider(name="sim", kind="simulated")])


@pytest.fixture
def send(make_call: Callable[..., Call], models: Catalog) -> Callable[..., Any]:
    """Takes a question through `transform` and `validate`, in the order given, to an `end`; the call, as it ended there."""

    async def go(
        end: Callable[[Call], Any],
        *,
        request: list[Any] = [],  # noqa: B006  read only
        response: list[Any] = [],  # noqa: B006  read only
        question: dict[str, Any] = QUESTION,
        scopes: Scopes | None = None,
        is_first: bool = True,
        **arrival: Any,
    ) -> Call:
        options = convert({"request": request, "response": response, "headers": ["x-team"]}, TransformOptions)
        validate = Validate(models, is_strict=False)
        steps: list[Middleware] = [Transform(options, validate.ask), validate]
        call = make_call(orjson.dumps(question), is_bare=True, **arrival)
        scope = Scope.of([scopes], models.names) if scopes else Scope()
        call.principal = Principal(tenant="acme", key="ci", scope=scope, metadata={"team": "blue"})
        await Pipeline([*(steps if is_first else steps[::-1]), End(end)])(call)
        return call

    return go


async def see(call: Call) -> None:
    """An end that answers nothing."""
    assert call.question is not None


EITHER_ORDER = pytest.mark.parametrize("is_first", [True, False], ids=["before validate", "behind validate"])


@EITHER_ORDER
async def test_what_is_asked_is_what_the_transform_made(send, is_first):
    request = [
        {"set": {"path": "temperature", "value": 0.5}},
        {"template": {"path": "user", "text": "{tenant}/{header.x-team}"}},
    ]
    call = await send(see, request=request, is_first=is_first, headers={"x-team": "red"})
    expected = QUESTION | {"temperature": 0.5, "user": "acme/red"}
    assert call.asked.document == call.document == orjson.loads(call.asked.body) == expected
    assert call.asked.body == call.body
    assert call.asked.view.temperature == 0.5


@EITHER_ORDER
async def test_a_body_that_nothing_changes_stays_the_clients_own(send, is_first):
    call = await send(see, request=[{"remove": {"path": "user"}}], is_first=is_first, question=QUESTION)
    assert call.asked.body is call.body
    assert call.body == await call.arrival.read_body()


@EITHER_ORDER
async def test_a_rewritten_model_is_routed(send, is_first):
    call = await send(see, request=[{"model": {"from": "simu*", "to": "fast"}}], is_first=is_first)
    assert (call.asked.view.model, call.asked.route.name) == ("fast", "fast")


@EITHER_ORDER
async def test_a_rewrite_leads_to_no_model_that_the_caller_may_not_use(send, is_first):
    scopes = Scopes(models=["simulated", "fast"])
    for change in ({"model": {"from": "*", "to": "secret"}}, {"set": {"path": "model", "value": "secret"}}):
        with pytest.raises(RunestoneError) as refused:
            await send(see, request=[change], scopes=scopes, is_first=is_first)
        assert (refused.value.reason, refused.value.param) == (Reason.MODEL_NOT_FOUND, "model")


async def test_behind_validate_the_model_that_was_asked_counts_too(send):
    """Before it, only the one that is called: a name that does not exist may stand for one that does."""
    request = [{"model": {"from": "gpt-4*", "to": "fast"}}]
    question = QUESTION | {"model": "gpt-4o"}
    assert (await send(see, request=request, question=question)).asked.view.model == "fast"
    with pytest.raises(RunestoneError) as refused:
        await send(see, request=request, question=question, is_first=False)
    assert refused.value.reason is Reason.MODEL_NOT_FOUND


@EITHER_ORDER
async def test_a_request_that_is_wrong_once_changed_is_refused(send, is_first):
    with pytest.raises(RunestoneError) as refused:
        await send(see, request=[{"set": {"path": "messages", "value": "hi"}}], is_first=is_first)
    assert (refused.value.reason, refused.value.param) == (Reason.INVALID_REQUEST, "messages")


async def test_before_validate_a_request_may_be_wrong_until_it_is_changed(send):
    request = [{"rename": {"from": "question", "to": "messages"}}]
    question = {"model": "simulated", "question": QUESTION["messages"]}
    assert (await send(see, request=request, question=question)).asked.document["messages"] == QUESTION["messages"]


async def test_a_request_that_grew_too_large_is_refused(send, make_call):
    most = make_call().settings.edge.http.max_body
    with pytest.raises(RunestoneError) as refused:
        await send(see, request=[{"set": {"path": "user", "value": "x" * most}}])
    assert refused.value.reason is Reason.BODY_TOO_LARGE


async def test_a_request_that_is_nested_too_deeply_to_be_written_is_refused(send):
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(RunestoneError) as refused:
        await send(see, request=[{"set": {"path": "a", "value": deep}}])
    assert refused.value.reason is Reason.INVALID_REQUEST


async def test_the_cache_keeps_answers_by_what_was_really_asked(send):
    async def key_of(**said: Any) -> bytes:
        asked = (await send(see, **said)).asked
        return fingerprint(
            owner=("tenant", "acme"),
            pipeline=b"default",
            dialect="openai_chat",
            route=asked.route,
            document=asked.document,
        )

    changed = await key_of(request=[{"set": {"path": "seed", "value": 7}}])
    assert changed == await key_of(question=QUESTION | {"seed": 7})
    assert changed != await key_of()


async def test_the_steps_behind_see_the_changed_headers(send):
    request = [{"header": {"set": {"cache-control": "no-cache"}, "remove": ["x-team"]}}]
    call = await send(see, request=request, headers={"x-team": "red", "accept": "*/*"})
    assert call.arrival.headers == {"cache-control": "no-cache", "accept": "*/*"}


REDACT = [{"redact": {"pattern": r"\bsk-[a-z0-9]{6,20}\b"}}]


async def test_a_unary_answer_is_changed_where_it_is_json(send):
    async def answer(call: Call) -> None:
        await call.reply.send(b'{"choices":[{"message":{"content":"sk-abc123"}}]}')
        await call.reply.send(b"sk-abc123", "audio/wav")

    call = await send(answer, response=REDACT)
    assert call.reply.body == b'{"choices":[{"message":{"content":"[redacted]"}}]}sk-abc123'


async def test_a_stream_is_changed_as_it_comes_and_ends_with_what_was_held_back(send):
    async def answer(call: Call) -> None:
        call.reply.expect_events()
        for word in ("sk-", "abc", "123"):
            await call.reply.write(b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % word.encode())
        assert call.reply.bytes_sent == 0
        await call.reply.close()

    call = await send(answer, response=REDACT)
    assert call.reply.is_closed
    assert (
        call.reply.body == b'data: {"choices":[{"index":0,"delta":{"content":"[redacted]"},"finish_reason":null}]}\n\n'
    )


async def test_a_stream_that_is_cut_sends_nothing_more(send):
    async def answer(call: Call) -> None:
        await call.reply.write(b'data: {"choices":[{"delta":{"content":"half"}}]}\n\n')
        raise RunestoneError(Reason.PROVIDER_STREAM_CUT, "cut")

    calls: list[Call] = []
    with pytest.raises(RunestoneError):
        await send(lambda call: (calls.append(call), answer(call))[1], response=REDACT)
    assert calls[0].reply.body == b""
    assert not calls[0].reply.is_closed


HEADERS = [{"header": {"set": {"X-For": "{tenant}/{model}"}, "remove": ["X-Runestone-Provider"]}}]


@pytest.mark.parametrize("way", ["send", "stream", "ping", "error"])
async def test_headers_are_changed_on_every_way_out(send, way):
    """A ping may begin the answer before its first event, and an error is an answer too."""
    calls: list[Call] = []

    async def answer(call: Call) -> None:
        calls.append(call)
        call.reply.headers |= {HIDDEN: "sim", "x-cache": "MISS"}
        if way == "send":
            await call.reply.send(b"{}")
        elif way == "stream":
            await call.reply.write(b": x\n\n")
        elif way == "ping":
            call.reply.expect_events()
            call.reply.headers[HIDDEN] = "sim again"
        else:
            raise RunestoneError(Reason.PROVIDER_FAILED, "failed")

    try:
        call = await send(answer, response=HEADERS)
    except RunestoneError:
        call = calls[0]
    sent = {name: value for name, value in call.reply.headers.items() if name != "expects-events"}
    assert sent == {"x-for": "acme/simulated", "x-cache": "MISS"}


async def test_what_is_to_be_hidden_was_never_in_the_clients_reply(send):
    async def answer(call: Call) -> None:
        call.reply.expect_events()
        call.reply.headers[HIDDEN] = "sim"
        assert HIDDEN not in call.reply.inner.headers

    assert HIDDEN not in (await send(answer, response=HEADERS)).reply.headers


async def test_others_have_their_turn_while_a_large_answer_is_changed(send):
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def answer(call: Call) -> None:
        await call.reply.send(orjson.dumps({"choices": [{"message": {"content": "sk-abc123 " * 50_000}}]}))

    other = asyncio.create_task(count())
    call = await send(answer, response=REDACT)
    other.cancel()
    assert turns > 100
    assert orjson.loads(call.reply.body)["choices"][0]["message"]["content"] == "[redacted] " * 50_000
