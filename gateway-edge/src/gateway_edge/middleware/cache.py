"""Whether the answer is already known: a look-up before the call, the whole answer stored after it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Literal, Protocol

from chassis.breaker import Breaker
from chassis.clock import Clock
from chassis.errors import Reason, RunestoneError
from chassis.metadata import ROUTE_KEY, Metadata
from gateway_edge.blame import is_part_down
from gateway_edge.call import Call
from gateway_edge.middleware.base import Proceed
from gateway_edge.question.fingerprint import fingerprint, is_ambiguous
from gateway_edge.recording import RecordingReply
from runestone.cache.v1.cache_pb2 import Answer, LookUpRequest, LookUpResponse, StoreRequest, StoreResponse

HIT, MISS, BYPASS, REFRESH = "HIT", "MISS", "BYPASS", "REFRESH"
MAX_ANSWER = 8 << 20
MAX_STORING = 256  # answers on their way to the cache; above it they are not kept


class AnswerCache(Protocol):
    """What this middleware needs of cache-svc: `CacheServiceStub`."""

    def LookUp(self, request: LookUpRequest, /, *, metadata: Metadata) -> Awaitable[LookUpResponse]:  # noqa: N802  the rpc's name
        """Looks an answer up."""

    def Store(self, request: StoreRequest, /, *, metadata: Metadata) -> Awaitable[StoreResponse]:  # noqa: N802  the rpc's name
        """Keeps an answer."""


class Cache:
    """Answers from cache-svc, and stores what the provider answered when it is whole.

    `x-cache` says what happened: HIT; MISS (asked, and stored if whole); REFRESH (`cache-control: no-cache`: asked anew);
    BYPASS (not a question that is kept, `no-store`, or cache-svc does not answer: the call goes on without it).
    """

    name = "cache"

    def __init__(
        self,
        cache: AnswerCache,
        breaker: Breaker,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        *,
        is_enabled: bool = True,
        when: Literal["deterministic", "always"] = "deterministic",
        ttl: float = 0.0,
    ) -> None:
        self._cache = cache
        self._breaker = breaker
        self._clock = clock
        self._spawn = spawn
        self._is_enabled = is_enabled
        self._when = when
        self._ttl = ttl
        self._storing: dict[bytes, asyncio.Event] = {}

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Answers a hit; otherwise watches the answer go by and stores it."""
        directives = _directives(call.arrival.headers.get("cache-control", ""))
        key = _key_of(call) if "no-store" not in directives and self._may_keep(call) else None
        outcome, answer = await self._find(key, directives)
        self._mark(call, outcome)
        if answer is not None:
            await self._replay(call, answer)
        elif "only-if-cached" in directives:
            raise RunestoneError(
                Reason.DEADLINE_EXCEEDED, "`only-if-cached`, and the answer is not cached", code="not_cached"
            )
        elif key is None or outcome == BYPASS:
            await proceed(call)
        else:
            await self._ask_and_store(call, proceed, key)

    def _may_keep(self, call: Call) -> bool:
        chat = call.asked.chat
        return (
            self._is_enabled
            and call.asked.document.get("store") is not False
            and (self._when == "always" or chat.is_deterministic)
        )

    async def _find(self, key: bytes | None, directives: Mapping[str, str]) -> tuple[str, Answer | None]:
        """What `x-cache` says, and the answer when there is one that the client takes."""
        if key is None:
            return BYPASS, None
        if "no-cache" in directives:
            return REFRESH, None
        outcome, answer = await self._look_up(key)
        oldest = _seconds(directives.get("max-age", ""))
        if answer is not None and oldest is not None and (oldest == 0 or self._age(answer) > oldest):
            return REFRESH, None
        return outcome, answer

    def _age(self, answer: Answer) -> int:
        return max(0, int(self._clock.time() - answer.stored_at.ToMicroseconds() / 1e6))

    async def _look_up(self, key: bytes) -> tuple[str, Answer | None]:
        if not self._breaker.admits():
            return BYPASS, None
        if (storing := self._storing.get(key)) is not None:
            await storing.wait()  # who saw the answer and asks again gets it; storing has a deadline of its own
        try:
            response = await self._cache.LookUp(LookUpRequest(fingerprint=key), metadata=_route(key))
        except RunestoneError as error:
            if not is_part_down(error, self._clock):
                raise
            self._breaker.failed()
            return BYPASS, None
        self._breaker.succeeded()
        return (HIT, response.hit) if response.HasField("hit") else (MISS, None)

    async def _replay(self, call: Call, answer: Answer) -> None:
        """Sends the bytes that the first asker was sent."""
        outcome = call.outcome
        outcome.provider, outcome.provider_model = answer.provider, answer.model
        outcome.finish_reason = answer.finish_reason
        outcome.usage = answer.usage if answer.HasField("usage") else None
        age = self._age(answer)
        call.reply.headers |= {
            "age": str(age),
            "x-runestone-provider": answer.provider,
            "x-runestone-model": answer.model,
        }
        if call.asked.is_stream:
            await call.reply.write(answer.body)
            await call.reply.close()
        else:
            await call.reply.send(answer.body, answer.content_type)
        outcome.is_complete = True

    async def _ask_and_store(self, call: Call, proceed: Proceed, key: bytes) -> None:
        async def keep(body: bytes, content_type: str) -> None:
            if call.outcome.is_complete and key not in self._storing and len(self._storing) < MAX_STORING:
                self._storing[key] = asyncio.Event()
                self._spawn(self._store(key, _answer(call, body, content_type)), "cache store")

        plain = call.reply
        call.reply = RecordingReply(plain, MAX_ANSWER, keep)
        try:
            await proceed(call)
        finally:
            call.reply = plain

    async def _store(self, key: bytes, answer: Answer) -> None:
        request = StoreRequest(fingerprint=key, answer=answer)
        if self._ttl:
            request.ttl.FromMilliseconds(int(self._ttl * 1000))
        try:
            await self._cache.Store(request, metadata=_route(key))
        except RunestoneError as error:
            if is_part_down(error, self._clock):
                self._breaker.failed()  # a lost store is a later miss
        finally:
            self._storing.pop(key).set()

    @staticmethod
    def _mark(call: Call, outcome: str) -> None:
        call.outcome.cache = call.reply.headers["x-cache"] = outcome


def _route(key: bytes) -> Metadata:
    """The same question always asks the same replica."""
    return ((ROUTE_KEY, key),)


def _key_of(call: Call) -> bytes | None:
    """The question's fingerprint; None for a body that two readers could read differently, which is never kept."""
    question = call.asked
    if is_ambiguous(question.body, question.document):
        return None
    return fingerprint(
        tenant=call.caller.tenant,
        pipeline=call.pipeline_version,
        dialect="openai_chat",
        route=question.route,
        document=question.document,
    )


def _answer(call: Call, body: bytes, content_type: str) -> Answer:
    outcome = call.outcome
    return Answer(
        body=body,
        content_type=content_type,
        provider=outcome.provider,
        model=outcome.provider_model,
        usage=outcome.usage,
        finish_reason=outcome.finish_reason,
    )


def _seconds(text: str) -> int | None:
    """A number of seconds (RFC 9111, section 1.2.2); None for what is none."""
    return int(text[:9]) if text.isascii() and text.isdigit() else None


def _directives(header: str) -> dict[str, str]:
    """The directives of a request's `Cache-Control` and their values (RFC 9111, section 5.2.1)."""
    pairs = (directive.strip().partition("=") for directive in header.split(","))
    return {name.lower(): value for name, _, value in pairs if name}
