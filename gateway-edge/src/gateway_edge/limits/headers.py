"""How limits stand, for clients. Pure."""

from collections.abc import Sequence

from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.verdict import Verdict


def write_headers(limits: Sequence[RequestLimit], verdicts: Sequence[Verdict]) -> dict[str, str]:
    """The headers of OpenAI's API, for the limit with the least room."""
    limit, verdict = min(zip(limits, verdicts, strict=True), key=lambda pair: (pair[1].is_admitted, pair[1].remaining))
    return {
        "x-ratelimit-limit-requests": str(limit.rate.quantity),
        "x-ratelimit-remaining-requests": str(verdict.remaining),
        "x-ratelimit-reset-requests": f"{verdict.reset_after // 1000}ms",
    }
