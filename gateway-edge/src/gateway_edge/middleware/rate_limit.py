"""Whether there is room: requests of the tenant, the key and parts of what they do, admitted by leases or by ratelimit-svc."""

from typing import Literal

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.limits.book import Limits
from gateway_edge.limits.headers import write_headers
from gateway_edge.limits.leases import Leases
from gateway_edge.limits.limit import RequestLimit, per_minute
from gateway_edge.limits.local import LocalLimits
from gateway_edge.limits.verdict import Verdict
from gateway_edge.middleware.base import Proceed

DEGRADED = "x-runestone-degraded"


class RateLimit:
    """Takes one request of every limit that binds the caller, or refuses with 429 and the exact wait.

    A call whose limits are all leased here asks nobody. While ratelimit-svc does not answer, what is leased is used up;
    then `open` limits are kept by this process alone, at its share of the rate, and the answer is marked; `closed` ones
    refuse with 503.
    """

    name = "rate_limit"

    def __init__(
        self,
        leases: Leases,
        local: LocalLimits,
        *,
        when_down: Literal["open", "closed"] = "open",
        requests_per_minute: int | None = None,
    ) -> None:
        self._leases = leases
        self._local = local
        self._when_down = when_down
        self._per_key = requests_per_minute

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        """Admits or raises RATE_LIMITED."""
        if limits := self._limits_of(call):
            await self._admit(call, limits)
        await proceed(call)

    def _limits_of(self, call: Call) -> Limits:
        caller = call.caller
        limits = caller.limits_for(call.arrival.template, call.asked.view.model)
        if self._per_key is None:
            return limits
        subject = ("pipeline", call.pipeline, caller.tenant, caller.key)
        return (*limits, RequestLimit(subject, per_minute(self._per_key)))

    async def _admit(self, call: Call, limits: Limits) -> None:
        with self._leases.hold(limits) as hold:
            verdicts = hold.fill(() if hold.is_whole else await self._reserve(call, hold.lacking))
            call.reply.headers.update(write_headers(limits, verdicts))
            for limit, verdict in zip(limits, verdicts, strict=True):
                if not verdict.is_admitted:
                    raise _refusal(limit, verdict)
            hold.keep()
            call.limits = limits

    async def _reserve(self, call: Call, lacking: Limits) -> list[Verdict]:
        verdicts = await self._leases.reserve(lacking)
        if verdicts is not None:
            return verdicts
        if self._when_down == "closed":
            message = "rate limits cannot be checked right now and are configured `closed`"
            raise RunestoneError(Reason.LIMITER_UNAVAILABLE, message, retry_after=1.0)
        call.reply.headers[DEGRADED] = "ratelimit"
        return self._local.reserve(lacking)


def _refusal(limit: RequestLimit, verdict: Verdict) -> RunestoneError:
    wait = None if verdict.retry_after is None else verdict.retry_after / 1e6
    advice = f"; try again in {wait:.3f} s" if wait is not None else ""
    part = f" ({limit.part})" if limit.part else ""
    message = f"rate limit reached for this {limit.subject[0]}{part}: {limit.rate.quantity} requests per minute{advice}"
    return RunestoneError(Reason.RATE_LIMITED, message, retry_after=wait)
