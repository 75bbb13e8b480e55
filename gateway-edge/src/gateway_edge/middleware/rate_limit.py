"""Whether there is room: requests, per tenant and per key, reserved at ratelimit-svc."""

from collections.abc import Awaitable, Sequence
from typing import Literal, Protocol

from chassis.breaker import Breaker
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.local_limits import LocalLimits
from gateway_edge.middleware.base import Proceed
from gateway_edge.tenants import RequestLimit, per_minute
from runestone.ratelimit.v1.ratelimit_pb2 import Limit, LimitState, ReserveRequest, ReserveResponse

DEGRADED = "x-runestone-degraded"


class Limiter(Protocol):
    """What this middleware needs of ratelimit-svc: `RateLimitServiceStub`."""

    def Reserve(self, request: ReserveRequest, /) -> Awaitable[ReserveResponse]:  # noqa: N802  the rpc's name
        """Reserves under all limits or none."""


class RateLimit:
    """Reserves one request under every limit that binds the caller, or refuses with 429 and the exact wait.

    While ratelimit-svc does not answer, `open` limits are kept by this process alone, at its share of the rate, and the
    answer is marked; `closed` ones refuse with 503.
    """

    name = "rate_limit"

    def __init__(
        self,
        limiter: Limiter,
        local: LocalLimits,
        breaker: Breaker,
        *,
        when_down: Literal["open", "closed"] = "open",
        requests_per_minute: int | None = None,
    ) -> None:
        self._limiter = limiter
        self._local = local
        self._breaker = breaker
        self._when_down = when_down
        self._per_key = requests_per_minute

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Admits or raises RATE_LIMITED."""
        limits = self._limits_of(call)
        if limits:
            states = await self._reserve(call, limits)
            call.reply.headers.update(_headers(limits, states))
            for limit, state in zip(limits, states, strict=True):
                if not state.admitted:
                    raise _refusal(limit, state)
        await proceed(call)

    def _limits_of(self, call: Call) -> Sequence[RequestLimit]:
        caller = call.caller
        if self._per_key is None:
            return caller.limits
        pipeline_limit = RequestLimit(
            ("pipeline", caller.pipeline, caller.tenant, caller.key), per_minute(self._per_key)
        )
        return (*caller.limits, pipeline_limit)

    async def _reserve(self, call: Call, limits: Sequence[RequestLimit]) -> Sequence[LimitState]:
        if self._breaker.admits():
            try:
                response = await self._limiter.Reserve(ReserveRequest(limits=[_message(limit) for limit in limits]))
            except RunestoneError:
                self._breaker.failed()
            else:
                self._breaker.succeeded()
                return response.states
        if self._when_down == "closed":
            message = "rate limits cannot be checked right now and are configured `closed`"
            raise RunestoneError(Reason.LIMITER_UNAVAILABLE, message, retry_after=1.0)
        call.reply.headers[DEGRADED] = "ratelimit"
        return self._local.reserve(limits)


def _message(limit: RequestLimit) -> Limit:
    message = Limit(subject=limit.subject, name=limit.name, quantity=limit.rate.quantity, burst=limit.rate.burst)
    message.period.FromMicroseconds(limit.rate.period)
    return message


def _headers(limits: Sequence[RequestLimit], states: Sequence[LimitState]) -> dict[str, str]:
    """The headers of OpenAI's API, for the limit with the least room."""
    limit, state = min(zip(limits, states, strict=True), key=lambda pair: (pair[1].admitted, pair[1].remaining))
    return {
        "x-ratelimit-limit-requests": str(limit.rate.quantity),
        "x-ratelimit-remaining-requests": str(state.remaining),
        "x-ratelimit-reset-requests": f"{state.reset_after.ToMilliseconds()}ms",
    }


def _refusal(limit: RequestLimit, state: LimitState) -> RunestoneError:
    wait = state.retry_after.ToMicroseconds() / 1e6 if state.HasField("retry_after") else None
    advice = f"; try again in {wait:.3f} s" if wait is not None else ""
    message = f"rate limit reached for this {limit.subject[0]}: {limit.rate.quantity} requests per minute{advice}"
    return RunestoneError(Reason.RATE_LIMITED, message, retry_after=wait)
