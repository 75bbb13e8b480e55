"""A request's way through the edge, on one screen.

Every call begins with `record` and `settle` around everything, so that they see every way out; then it is found out who calls and
whether there is room, and the pipeline is chosen. The edge's own calls begin so, too, but nobody has to be found out. The
pipelines are those in `BUILT_IN`, which the configuration may redefine and add to; `call` is the last of each. `usage`, `audit`
and `request_logger` name what is always there (settle, record, the door's log line).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import orjson

from chassis.config.pipelines import STEPS, CacheOptions, IdempotencyOptions, step_name, step_options
from chassis.config.schema import PipelineStep
from chassis.config.shapes import convert
from chassis.config.shared_state import is_state_shared
from chassis.config.transform import TransformOptions
from chassis.hashing import hash_parts
from gateway_edge.auth.table import lay_credentials
from gateway_edge.caching.revalidation import Revalidation
from gateway_edge.containment.middleware import Contained
from gateway_edge.containment.plugins import Plugins
from gateway_edge.door.ways import Ways
from gateway_edge.endpoints.stored import STORED
from gateway_edge.endpoints.streams import STEERED, STREAM
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.admit import Admit
from gateway_edge.middleware.authenticate import Authenticate
from gateway_edge.middleware.base import Middleware, Pipeline
from gateway_edge.middleware.cache import Cache
from gateway_edge.middleware.call_provider import CallProvider
from gateway_edge.middleware.choose import Choose
from gateway_edge.middleware.control_stream import ControlStream
from gateway_edge.middleware.find_stored import FindStored
from gateway_edge.middleware.find_stream import FindStream
from gateway_edge.middleware.idempotency import Idempotency, RefuseKeys
from gateway_edge.middleware.identify import Identify
from gateway_edge.middleware.know_caller import KnowCaller
from gateway_edge.middleware.list_models import ListModels
from gateway_edge.middleware.preflight import Preflight
from gateway_edge.middleware.publish_openapi import PublishOpenApi
from gateway_edge.middleware.rate_limit import RateLimit
from gateway_edge.middleware.record import Record
from gateway_edge.middleware.refuse_path import RefusePath
from gateway_edge.middleware.settle import Settle
from gateway_edge.middleware.transform import Transform
from gateway_edge.middleware.validate import Validate
from gateway_edge.openapi.document import published
from gateway_edge.peers import Peers
from gateway_edge.policy import Policy
from gateway_edge.question.leading import Leading, RuleFailures
from gateway_edge.realtime.ask_realtime import AskRealtime
from gateway_edge.realtime.codes import PATH as REALTIME
from gateway_edge.realtime.relay import RelayRealtime, find_replica
from gateway_edge.streams.opening import OpenStreams

BUILT_IN: dict[str, list[PipelineStep]] = {
    "default": ["authenticate", "validate", "idempotency", "rate_limit", "cache"],
    # Nothing is looked up before the first byte.
    "streaming": ["authenticate", "validate", "idempotency", "rate_limit"],
    # What is known counts against no limit.
    "cached": ["authenticate", "validate", "idempotency", "cache", "rate_limit"],
    "admin": [{"authenticate": {"admin": True}}, "validate"],
}
# What they do for the same bytes of the same caller is the same, but for what they count. Not so for what may read a clock or draw
# lots, as users' own may.
REPEATABLE = frozenset({Authenticate, Validate, Idempotency, RefuseKeys, RateLimit, Cache, CallProvider})
# What a call does not take that asks no model, but for a response that is stored: there is no body, and what it gets is nobody's answer.
ASKING = (Validate, Idempotency, RefuseKeys, Cache)
ALWAYS_THERE = ("usage", "audit", "request_logger")

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The middleware that outlive a snapshot, because they count or keep something, and what does for middleware; users' own."""

    record: Record
    settle: Settle
    admit: Admit
    plugins: Plugins
    revalidation: Revalidation
    streams: OpenStreams
    rule_failures: RuleFailures


@dataclass(frozen=True, slots=True)
class Parts:
    """What a step is made of, beside its own options."""

    policy: Policy
    peers: Peers
    standing: Standing
    leading: Leading | None


def lay_pipelines(policy: Policy, peers: Peers, standing: Standing) -> Ways:
    """The pipeline of every method and path, and that of the edge's own calls."""
    identify = Identify(lay_credentials(policy, peers), policy.authority.anonymous)
    call = CallProvider(standing.streams.begin, peers.places)
    steps = BUILT_IN | policy.settings.pipelines
    parts = Parts(policy, peers, standing, Leading.of(policy, standing.rule_failures))
    made = {name: [*_make_steps(steps[name], parts), call] for name in steps}
    chosen = {model.name: model.pipeline for model in policy.settings.models if model.pipeline}
    choose = Choose({name: _make_pipeline(name, made[name], steps[name]) for name in steps}, policy.catalog, chosen)
    without = {name: _make_pipeline(name, _leave_out_asking(made[name]), steps[name]) for name in steps}
    choose_without = Choose(without, policy.catalog, chosen)
    find_stream = _lay_streams(policy, peers, standing, steps, made)
    find, steer = FindStored(peers.places, policy.catalog, find_stream), ControlStream(standing.streams.control)

    relay = RelayRealtime(lambda: find_replica(peers.replicas.current))
    spoken = {name: _make_pipeline(name, [*_leave_out_asking(made[name])[:-1], relay], steps[name]) for name in steps}
    ask_realtime, choose_spoken = AskRealtime(policy.catalog), Choose(spoken, policy.catalog, chosen)

    asking = Pipeline([standing.record, standing.settle, identify, standing.admit, choose])
    stored = Pipeline([standing.record, standing.settle, identify, standing.admit, find, choose_without])
    stream = Pipeline([standing.record, standing.settle, identify, standing.admit, find_stream])
    steered = Pipeline([standing.record, identify, standing.admit, steer])
    inner = Pipeline([standing.record, standing.settle, standing.admit, choose])
    inner_stored = Pipeline([standing.record, standing.settle, standing.admit, find, choose_without])
    inner_stream = Pipeline([standing.record, standing.settle, standing.admit, find_stream])
    inner_steered = Pipeline([standing.record, standing.admit, steer])
    models = Pipeline([identify, standing.admit, Authenticate(), ListModels(policy.catalog, policy.created_at)])
    openapi = Pipeline([PublishOpenApi(published())])
    refusal = Pipeline([RefusePath()])
    preflight = {("OPTIONS", "*"): Pipeline([Preflight(policy.cors)])} if policy.cors else {}
    paths = {
        **{("POST", path): asking for path in ENDPOINTS},
        **dict.fromkeys(STORED, stored),
        ("GET", STREAM): stream,
        **dict.fromkeys(STEERED, steered),
        ("GET", "/v1/models"): models,
        ("GET", "/v1/models/{id}"): models,
        ("GET", "/v1/openapi.json"): openapi,
        ("*", "*"): refusal,
    }
    messages = {
        **{("POST", path): inner for path in ENDPOINTS},
        **dict.fromkeys(STORED, inner_stored),
        ("GET", STREAM): inner_stream,
        **dict.fromkeys(STEERED, inner_steered),
        ("GET", REALTIME): Pipeline([standing.record, standing.settle, standing.admit, ask_realtime, choose_spoken]),
    }
    handshake = Pipeline([identify, standing.admit, KnowCaller()])
    return Ways(policy, preflight | paths, inner, messages, handshake)


def _lay_streams(
    policy: Policy,
    peers: Peers,
    standing: Standing,
    steps: Mapping[str, list[PipelineStep]],
    made: Mapping[str, list[Middleware]],
) -> FindStream:
    """The answer sides of all pipelines: of what a provider sends, and of what the cache gave, which has passed what stands behind it."""
    follow = CallProvider(standing.streams.follow, peers.places)
    live = {name: [*_leave_out_asking(made[name][:-1]), follow] for name in made}
    kept = {name: [*_leave_out_asking(_until_cache(made[name][:-1])), follow] for name in made}
    return FindStream(
        standing.streams.control.notes,
        standing.streams.control.gates,
        policy.catalog,
        {name: _make_pipeline(name, live[name], steps[name]) for name in live},
        {name: _make_pipeline(name, kept[name], steps[name]) for name in kept},
    )


def _until_cache(middleware: list[Middleware]) -> list[Middleware]:
    return list(takewhile(lambda step: not isinstance(step, Cache), middleware))


def _version(name: str, steps: list[PipelineStep]) -> bytes:
    return hash_parts((name.encode(), orjson.dumps(steps, option=orjson.OPT_SORT_KEYS)))


def _make_pipeline(name: str, middleware: list[Middleware], steps: list[PipelineStep]) -> Pipeline:
    is_repeatable = all(type(one) in REPEATABLE for one in middleware)
    return Pipeline(
        middleware,
        version=_version(name, steps),
        is_repeatable=is_repeatable,
        changes_answers=any(map(_changes_answers, middleware)),
    )


def _changes_answers(step: Middleware) -> bool:
    """Whether events may leave it as others than they came; of users' own nobody knows."""
    return isinstance(step, Contained) or (isinstance(step, Transform) and step.changes_answers)


def _make_steps(steps: list[PipelineStep], parts: Parts) -> list[Middleware]:
    named = [(step_name(step), step_options(step)) for step in steps]
    return [
        MAKERS[name](parts, options) if name in STEPS else parts.standing.plugins.make(name, options)
        for name, options in named
        if name not in ALWAYS_THERE
    ]


def _leave_out_asking(middleware: list[Middleware]) -> list[Middleware]:
    """A pipeline's steps for what is stored: answers are changed, counted and watched as ever."""
    return [
        step.for_answers() if isinstance(step, Transform) else step
        for step in middleware
        if not isinstance(step, ASKING)
    ]


def _transform(parts: Parts, options: Options) -> Middleware:
    # What an operator adds behind a strict `validate` is meant.
    return Transform(convert(options, TransformOptions), _validate(parts, {}).ask)


def _validate(parts: Parts, options: Options) -> Validate:
    return Validate(parts.policy.catalog, is_strict=options.get("strict", False), leading=parts.leading)


def _rate_limit(parts: Parts, options: Options) -> Middleware:
    return RateLimit(
        parts.peers.leases,
        parts.peers.local_limits,
        when_down=parts.policy.settings.ratelimit.when_down,
        requests_per_minute=options.get("requests_per_minute"),
    )


def _idempotency(parts: Parts, options: Options) -> Middleware:
    if not is_state_shared(parts.policy.settings):
        return RefuseKeys()
    return Idempotency(parts.peers.claims, parts.peers.clock, convert(options, IdempotencyOptions))


def _cache(parts: Parts, options: Options) -> Middleware:
    return Cache(
        parts.peers.shelf,
        parts.peers.clock,
        parts.peers.uses,
        parts.standing.revalidation,
        options=convert(options, CacheOptions),
        settings=parts.policy.settings.cache,
    )


MAKERS: dict[str, Callable[[Parts, Options], Middleware]] = {
    "authenticate": lambda _parts, options: Authenticate(admin=options.get("admin", False)),
    "validate": _validate,
    "transform": _transform,
    "idempotency": _idempotency,
    "rate_limit": _rate_limit,
    "cache": _cache,
}
