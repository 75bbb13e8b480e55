"""Whether the answer is already known: a look-up before the call, the whole answer stored after it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, Protocol

from chassis.breaker import Breaker
from chassis.client import Metadata
from chassis.clock import Clock
from chassis.errors import RunestoneError
from chassis.replicas import ROUTE_KEY
from gateway_edge.call import Call
from gateway_edge.fingerprint import fingerprint
from gateway_edge.middleware.base import Proceed
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
        if "no-store" in directives or not self._may_keep(call):
            self._mark(call, BYPASS)
            await proceed(call)
            return
        key = _key_of(call)
        outcome, answer = (REFRESH, None) if "no-cache" in directives else await self._look_up(key)
        self._mark(call, outcome)
        if answer is not None:
            await self._replay(call, answer)
        elif outcome == BYPASS:
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

    async def _look_up(self, key: bytes) -> tuple[str, Answer | None]:
        if not self._breaker.admits():
            return BYPASS, None
        if (storing := self._storing.get(key)) is not None:
            await storing.wait()  # who saw the answer and asks again gets it; storing has a deadline of its own
        try:
            response = await self._cache.LookUp(LookUpRequest(fingerprint=key), metadata=_route(key))
        except RunestoneError:
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
        age = max(0, int(self._clock.time() - answer.stored_at.ToMicroseconds() / 1e6))
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
        def keep(body: bytes, content_type: str) -> None:
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
        except RunestoneError:
            self._breaker.failed()  # a lost store is a later miss
        finally:
            self._storing.pop(key).set()

    @staticmethod
    def _mark(call: Call, outcome: str) -> None:
        call.outcome.cache = call.reply.headers["x-cache"] = outcome


def _route(key: bytes) -> Metadata:
    """The same question always asks the same replica."""
    return ((ROUTE_KEY, key),)


def _key_of(call: Call) -> bytes:
    question = call.asked
    return fingerprint(
        tenant=call.caller.tenant, dialect="openai_chat", route=question.route, document=question.document
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


def _directives(header: str) -> set[str]:
    """The directives of a request's `Cache-Control` (RFC 9111, section 5.2.1)."""
    return {directive.strip().partition("=")[0].lower() for directive in header.split(",") if directive.strip()}
