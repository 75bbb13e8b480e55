"""What Envoy is told: standings to protobuf, and to headers for its client."""

from collections.abc import Iterator, Sequence

from ratelimit_svc.envoy.rules import SECONDS, Rule
from ratelimit_svc.envoy.verdict import Standing, find_closest
from runestone.envoy.v3.rls_pb2 import HeaderValue, RateLimitResponse

UNLIMITED = 2**32 - 1
OK, OVER_LIMIT = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT


def write_response(standings: Sequence[Standing], *, has_headers: bool) -> RateLimitResponse:
    """Over the limit as soon as one descriptor is."""
    is_refused = any(standing.is_refused for standing in standings)
    closest = find_closest(standings) if has_headers else None
    return RateLimitResponse(
        overall_code=OVER_LIMIT if is_refused else OK,
        statuses=map(_write_status, standings),
        response_headers_to_add=[] if closest is None else _write_headers(closest),
    )


def _write_status(standing: Standing) -> RateLimitResponse.DescriptorStatus:
    status = RateLimitResponse.DescriptorStatus(code=OVER_LIMIT if standing.is_refused else OK)
    rule, decision = standing.rule, standing.decision
    if rule is None:
        return status
    if rule.requests is None:
        status.limit_remaining = UNLIMITED
        return status
    status.current_limit.CopyFrom(_write_limit(rule, rule.requests))
    if decision is not None:
        status.limit_remaining = decision.remaining
        status.duration_until_reset.FromSeconds(_seconds(decision.reset_after))
    return status


def _write_limit(rule: Rule, requests: int) -> RateLimitResponse.RateLimit:
    unit = RateLimitResponse.RateLimit.Unit.Value(rule.unit.upper())
    return RateLimitResponse.RateLimit(name=rule.name, requests_per_unit=requests, unit=unit)


def _write_headers(standing: Standing) -> Iterator[HeaderValue]:
    """`x-ratelimit-*` as draft-polli-ratelimit-headers-03 has them, and `retry-after` of RFC 9110, section 10.2.3."""
    rule, decision = standing.rule, standing.decision
    assert rule is not None, "what has no rule is closest to no limit"
    yield HeaderValue(key="x-ratelimit-limit", value=f"{rule.requests}, {rule.requests};w={SECONDS[rule.unit]}")
    yield HeaderValue(key="x-ratelimit-remaining", value=str(decision.remaining if decision else 0))
    if decision is not None:
        yield HeaderValue(key="x-ratelimit-reset", value=str(_seconds(decision.reset_after)))
        if standing.is_over and decision.retry_after is not None:
            yield HeaderValue(key="retry-after", value=str(_seconds(decision.retry_after)))


def _seconds(microseconds: int) -> int:
    """Rounded up: never too early."""
    return -(-microseconds // 1_000_000)
