"""Calls that are made once: who sends an `Idempotency-Key` again gets what was answered, or waits for it."""

import asyncio

from chassis.clock import Clock
from chassis.config.pipelines import IdempotencyOptions
from chassis.context import current
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.costs.headers import NAMES as COST_HEADERS
from gateway_edge.idempotency.claims import Claim, Claims
from gateway_edge.idempotency.key import HEADER, CallKey, read_key
from gateway_edge.middleware.base import Proceed
from gateway_edge.recording import Recording, RecordingReply
from gateway_edge.reply import DROPPED, EXPERIMENT, ROUTE, WHY
from runestone.state.v1.state_pb2 import KeptAnswer

REPLAYED, ORIGINAL = "idempotency-replayed", "x-runestone-original-request-id"
LONGEST_WAIT = 20.0  # seconds of one question to cache-svc
RESERVE = 0.1  # seconds before the call's own deadline at which a wait ends
PAUSE = 0.02  # seconds between two waits
RETRY_AFTER = 1.0  # seconds

OF_THE_WAY = (EXPERIMENT, ROUTE, WHY)
# Headers that speak of the answer, not of the request that it was given to.
KEPT_HEADERS = (
    "x-runestone-provider",
    "x-runestone-model",
    "x-runestone-attempts",
    *COST_HEADERS,
    DROPPED,
    *OF_THE_WAY,
    "x-cache",
    "age",
)


class Idempotency:
    """Makes a call with an `Idempotency-Key` once within `ttl` seconds. Whole answers are kept; what fails, is cut or left
    by its client is not, and may be tried again with the key. Calls without a key pass."""

    name = "idempotency"

    def __init__(self, claims: Claims, clock: Clock, options: IdempotencyOptions) -> None:
        self._claims = claims
        self._clock = clock
        self._options = options

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Raises INVALID_REQUEST for what is no key, IDEMPOTENCY_KEY_REUSED, IDEMPOTENCY_KEY_IN_USE without `join`,
        UNAVAILABLE when nobody can say whether the call was made."""
        key = read_key(call.arrival.headers)
        if key is None:
            await proceed(call)
            return
        begun = await self._begin(call, CallKey.of(call, key))
        if isinstance(begun, Claim):
            await self._make(call, proceed, begun)
        else:
            await _replay(call, begun)

    async def _begin(self, call: Call, key: CallKey) -> Claim | KeptAnswer:
        """A claim to make the call, or its answer; waits for the answer where somebody else is making the call."""
        begun = await self._claims.begin(key)
        if begun is not None:
            return begun
        if not self._options.join:
            message = "a call with this `Idempotency-Key` is still running; ask again for its answer"
            raise RunestoneError(Reason.IDEMPOTENCY_KEY_IN_USE, message, param=HEADER, retry_after=RETRY_AFTER)
        if call.asked.is_stream:
            call.reply.expect_events()
        return await self._join(key)

    async def _join(self, key: CallKey) -> Claim | KeptAnswer:
        """What comes of the call that runs. Ends with the call's own deadline at the latest."""
        begun = None
        while begun is None:
            await asyncio.sleep(PAUSE)
            begun = await self._claims.begin(key, self._patience())
        return begun

    def _patience(self) -> float:
        """For how long to wait now: a wait that the call's own deadline cut would look like a failure of cache-svc."""
        deadline = current().deadline
        left = LONGEST_WAIT if deadline is None else deadline - self._clock.monotonic() - RESERVE
        return max(0.001, min(left, LONGEST_WAIT))

    async def _make(self, call: Call, proceed: Proceed, claim: Claim) -> None:
        async def keep(recording: Recording) -> None:
            await claim.keep(_describe(call, recording.body, recording.content_type), self._options.ttl)

        plain = call.reply
        call.reply = RecordingReply(plain, self._options.max_answer, keep)
        try:
            async with claim:
                await proceed(call)
        finally:
            call.reply = plain


class RefuseKeys:
    """Stands in for `idempotency` in the built-in pipelines where several cache-svc share no state: there a key's promise
    could not be kept, and a call that carries one is refused rather than made without it."""

    name = "idempotency"

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Raises INVALID_REQUEST for a call with a key."""
        if read_key(call.arrival.headers) is not None:
            message = "`Idempotency-Key` cannot be honoured here: the replicas of cache-svc share no state"
            raise RunestoneError(Reason.INVALID_REQUEST, message, param=HEADER, code="idempotency_not_supported")
        await proceed(call)


def _describe(call: Call, body: bytes, content_type: str) -> KeptAnswer:
    headers = call.reply.headers
    return KeptAnswer(
        status=200,
        content_type=content_type,
        body=body,
        headers={name: headers[name] for name in KEPT_HEADERS if name in headers},
        request_id=call.id,
    )


async def _replay(call: Call, answer: KeptAnswer) -> None:
    """Sends what was sent the first time. Nothing was used for it: that stands in the record of the call that was made."""
    reply, outcome = call.reply, call.outcome
    for name in OF_THE_WAY:  # where this call would have gone is not where that one went
        reply.headers.pop(name, None)
    reply.headers.update(answer.headers)
    outcome.route, outcome.why = answer.headers.get(ROUTE, call.asked.public.name), answer.headers.get(WHY, "")
    outcome.experiment, _, outcome.arm = answer.headers.get(EXPERIMENT, "").partition("=")
    reply.headers.update({REPLAYED: "true", ORIGINAL: answer.request_id})
    outcome.replay_of = answer.request_id
    outcome.provider = answer.headers.get("x-runestone-provider", "")
    outcome.provider_model = answer.headers.get("x-runestone-model", "")
    if call.asked.is_stream:
        await reply.write(answer.body)
        await reply.close()
    else:
        await reply.send(answer.body, answer.content_type)
    outcome.is_complete = True
