"""`envoy.service.ratelimit.v3.RateLimitService`: protobuf in, a verdict, protobuf out."""

from collections.abc import Callable, Mapping

from chassis.server import Context
from ratelimit_svc.envoy.binding import bind
from ratelimit_svc.envoy.judge import Judge
from ratelimit_svc.envoy.measured import Verdicts
from ratelimit_svc.envoy.reading import read_descriptors
from ratelimit_svc.envoy.rules import Domain
from ratelimit_svc.envoy.writing import write_response
from runestone.envoy.v3.rls_pb2 import RateLimitRequest, RateLimitResponse
from runestone.envoy.v3.rls_pb2_grpc import RateLimitServiceServicer


class EnvoyServicer(RateLimitServiceServicer):
    """Answers by the `domains` in force, by name."""

    def __init__(self, judge: Judge, domains: Callable[[], Mapping[str, Domain]], verdicts: Verdicts) -> None:
        self._judge = judge
        self._domains = domains
        self._verdicts = verdicts

    async def ShouldRateLimit(self, request: RateLimitRequest, context: Context) -> RateLimitResponse:  # noqa: N802, ARG002
        """Charges every limit that the descriptors match, or none."""
        descriptors = read_descriptors(request)
        domain = self._domains().get(request.domain)
        bonds = bind(domain, descriptors)
        with self._verdicts.of(domain) as verdict:
            verdict.standings = await self._judge.judge(bonds)
        return write_response(verdict.standings, has_headers=domain is not None and domain.has_headers)
