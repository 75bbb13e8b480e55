"""A request's way through the edge, on one screen.

Each path has one pipeline: middleware in order, outermost first. `record` and `settle` are around everything, so that
they see every way out; `call` is the last. What stands between them is the configuration's `pipelines.default`, or
`DEFAULT_STEPS`. `usage`, `audit` and `request_logger` name what is always there (settle, record, the door's log line).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.config.rules import step_name
from chassis.config.schema import PipelineStep
from chassis.config.units import Duration
from gateway_edge.middleware.authenticate import Authenticate
from gateway_edge.middleware.base import Middleware, Pipeline
from gateway_edge.middleware.cache import Cache
from gateway_edge.middleware.call_provider import CallProvider
from gateway_edge.middleware.list_models import ListModels
from gateway_edge.middleware.rate_limit import RateLimit
from gateway_edge.middleware.record import Record
from gateway_edge.middleware.refuse_path import RefusePath
from gateway_edge.middleware.settle import Settle
from gateway_edge.middleware.validate import Validate
from gateway_edge.peers import Peers
from gateway_edge.policy import Policy

DEFAULT_STEPS: list[PipelineStep] = ["authenticate", "validate", "rate_limit", "cache"]
ALWAYS_THERE = ("usage", "audit", "request_logger")

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The middleware that outlive a snapshot, because they count or keep something."""

    record: Record
    settle: Settle


def lay_pipelines(policy: Policy, peers: Peers, standing: Standing) -> dict[tuple[str, str], Pipeline]:
    """The pipeline of every method and path."""
    authenticate = Authenticate(policy.authority)
    chat = Pipeline([
        standing.record,
        standing.settle,
        *_configured(policy, peers),
        CallProvider(peers.models, peers.provider),
    ])  # fmt: skip
    models = Pipeline([authenticate, ListModels(policy.catalog, policy.created_at)])
    refusal = Pipeline([RefusePath()])
    return {
        ("POST", "/v1/chat/completions"): chat,
        ("GET", "/v1/models"): models,
        ("GET", "/v1/models/{id}"): models,
        ("*", "*"): refusal,
    }


def _configured(policy: Policy, peers: Peers) -> list[Middleware]:
    steps = policy.settings.pipelines.get("default", DEFAULT_STEPS)
    return [
        MAKERS[name](policy, peers, _options(step)) for step in steps if (name := step_name(step)) not in ALWAYS_THERE
    ]


def _options(step: PipelineStep) -> Options:
    return {} if isinstance(step, str) else step[step_name(step)] or {}


def _rate_limit(policy: Policy, peers: Peers, options: Options) -> Middleware:
    return RateLimit(
        peers.leases,
        peers.local_limits,
        when_down=policy.settings.ratelimit.when_down,
        requests_per_minute=options.get("requests_per_minute"),
    )


def _cache(policy: Policy, peers: Peers, options: Options) -> Middleware:
    return Cache(
        peers.cache,
        peers.cache_breaker,
        peers.clock,
        peers.spawn,
        is_enabled=policy.settings.cache.enabled,
        when=policy.settings.cache.when,
        ttl=Duration.parse(options["ttl"]) if "ttl" in options else policy.settings.cache.default_ttl,
    )


MAKERS: dict[str, Callable[[Policy, Peers, Options], Middleware]] = {
    "authenticate": lambda policy, _peers, _options: Authenticate(policy.authority),
    "validate": lambda policy, _peers, _options: Validate(policy.catalog),
    "rate_limit": _rate_limit,
    "cache": _cache,
}
