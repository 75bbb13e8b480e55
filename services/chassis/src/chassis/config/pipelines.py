"""What may stand in a pipeline: the steps, the options of each, and the orders in which they can work."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from chassis.config.document import Finding, KeyPath
from chassis.config.plugins import (
    ON_ERROR,
    POLICIES,
    PluginError,
    is_plugin,
    list_plugins,
    load_plugin,
    options_type,
)
from chassis.config.schema import PipelineStep, Scopes, Settings
from chassis.config.section import Rate, Section
from chassis.config.shapes import convert, find_type_errors
from chassis.config.transform import TransformOptions
from chassis.config.transform.check import check_transform
from chassis.config.units import Duration, Size

SHORTEST_TTL = 0.001  # seconds; less is rounded to nothing on the wire, which would mean the default


class NoOptions(Section, frozen=True, kw_only=True):
    """A step that takes none."""


class AuthenticateOptions(Section, frozen=True, kw_only=True):
    """Who is let through: `admin: true` only who holds the admin key."""

    admin: bool = False


class ValidateOptions(Section, frozen=True, kw_only=True):
    """What becomes of members that the gateway does not know: they pass to the provider, or with `strict` are refused."""

    strict: bool = False


class RateLimitOptions(Section, frozen=True, kw_only=True):
    """A limit of the pipeline's own, beside those of tenant and key; absent: none."""

    requests_per_minute: Rate | None = None


class IdempotencyOptions(Section, frozen=True, kw_only=True):
    """How long an answer is kept under its key, whether who comes while the call runs waits for it (else 409), and how many bytes
    an answer may have to be kept."""

    ttl: Duration = Duration(86_400)
    join: bool = True
    max_answer: Size = Size(8 << 20)


class CacheOptions(Section, frozen=True, kw_only=True):
    """What is kept, for how long, and for whom. `ttl` and `when` absent: `cache.default_ttl` and `cache.when`.

    Answers are shared within `scope`. With `variants` above one, so many answers to a question with a temperature are kept and
    given in turn. An answer is kept `stale_while_revalidate` longer, to be given while it is asked anew, and `stale_if_error`
    longer, to be given where asking fails. Refusals of the provider (400, 404) are kept for `negative_ttl`. `replay` says
    how fast a kept stream is sent, `coalesce` whether a call may follow another's. `bill` names what counts as used.
    """

    ttl: Duration | UnsetType = UNSET
    when: Literal["deterministic", "always"] | UnsetType = UNSET
    scope: Literal["tenant", "key", "global"] = "tenant"
    variants: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    stale_while_revalidate: Duration = Duration(0)
    stale_if_error: Duration = Duration(0)
    negative_ttl: Duration = Duration(0)
    replay: Literal["burst", "paced"] = "burst"
    coalesce: bool = True
    max_answer: Size = Size(8 << 20)
    models: tuple[str, ...] = ("*",)
    tenants: tuple[str, ...] = ("*",)
    only_tags: tuple[str, ...] = ()
    unless_tags: tuple[str, ...] = ()
    finish_reasons: tuple[str, ...] = ("stop", "tool_calls", "function_call", "end_turn", "tool_use", "stop_sequence")
    bill: tuple[Literal["hit", "coalesced"], ...] = ()


STEPS: dict[str, type[Section]] = {
    "authenticate": AuthenticateOptions,
    "transform": TransformOptions,
    "validate": ValidateOptions,
    "idempotency": IdempotencyOptions,
    "rate_limit": RateLimitOptions,
    "cache": CacheOptions,
    "usage": NoOptions,
    "audit": NoOptions,
    "request_logger": NoOptions,
}
BUILT_IN_PIPELINES = ("default", "streaming", "cached", "admin")

# The steps that must stand before a step, where they are there at all: it reads what they find out or change.
NEEDED_BEFORE = {
    "idempotency": ("validate",),
    "rate_limit": ("validate", "transform"),
    "cache": ("validate", "transform"),
}


def check_pipelines(settings: Settings) -> Iterator[Finding]:
    """Everything in `pipelines` that is unknown, could not work, or leaves out what every call needs."""
    for name, steps in settings.pipelines.items():
        path = ("pipelines", name)
        for index, step in enumerate(steps):
            yield from _check_step(step, (*path, index))
        yield from _check_order([step_name(step) for step in steps], path, settings.auth)
    yield from _check_choices(settings)


def _check_choices(settings: Settings) -> Iterator[Finding]:
    """Whoever names a pipeline names one that is there."""
    known = {*BUILT_IN_PIPELINES, *settings.pipelines}
    for path, name in _choices(settings):
        if name is not None and name not in known:
            yield path, f"there is no pipeline {name!r}; known here: {', '.join(sorted(known))}"


def _choices(settings: Settings) -> Iterator[tuple[KeyPath, str | None]]:
    for index, model in enumerate(settings.models):
        yield ("models", index, "pipeline"), model.pipeline
    for number, tenant in enumerate(settings.tenants):
        yield ("tenants", number, "pipeline"), tenant.pipeline
        yield from _scoped(tenant.scopes, ("tenants", number, "scopes"))
        for index, key in enumerate(tenant.keys):
            path = ("tenants", number, "keys", index)
            yield (*path, "pipeline"), key.pipeline
            yield from _scoped(key.scopes, (*path, "scopes"))


def _scoped(scopes: Scopes, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for index, name in enumerate(scopes.pipelines):
        yield (*path, "pipelines", index), name


def step_name(step: PipelineStep) -> str:
    """The middleware that a pipeline's step names."""
    return step if isinstance(step, str) else next(iter(step), "")


def step_options(step: PipelineStep) -> dict[str, Any]:
    """The options that a pipeline's step gives; empty when it gives none."""
    return {} if isinstance(step, str) else step[step_name(step)] or {}


def _check_step(step: PipelineStep, path: KeyPath) -> Iterator[Finding]:
    name = step_name(step)
    if isinstance(step, dict) and len(step) != 1:
        yield path, "must be a name, or one name with its options"
    elif name in STEPS:
        options = step_options(step)
        misfits = list(find_type_errors(options, STEPS[name], (*path, name)))
        yield from misfits
        if name == "cache":
            yield from _check_ttl(options.get("ttl"), (*path, name, "ttl"))
        elif name == "transform" and not misfits:
            yield from check_transform(convert(options, TransformOptions), (*path, name))
    elif is_plugin(name):
        yield from _check_plugin(name, step_options(step), path)
    else:
        yield path, f"there is no middleware {name!r}; known here: {', '.join((*STEPS, *list_plugins()))}"


def _check_plugin(name: str, options: dict[str, Any], path: KeyPath) -> Iterator[Finding]:
    try:
        kind = options_type(load_plugin(name))
    except PluginError as error:
        yield path, str(error)
        return
    if options.get(ON_ERROR, POLICIES[0]) not in POLICIES:
        yield (*path, name, ON_ERROR), "must be `fail` or `skip`"
    own = {option: value for option, value in options.items() if option != ON_ERROR}
    found = list(find_type_errors(own, kind, (*path, name)))
    yield from found or _find_rule_errors(own, kind, (*path, name))


def _find_rule_errors(options: dict[str, Any], kind: type[msgspec.Struct], path: KeyPath) -> Iterator[Finding]:
    """What a type's own `__post_init__` has against options whose types are right."""
    try:
        convert(options, kind)
    except msgspec.ValidationError as error:
        yield path, str(error)


def _check_ttl(ttl: object, path: KeyPath) -> Iterator[Finding]:
    try:
        is_too_short = Duration.parse(ttl) < SHORTEST_TTL
    except ValueError:
        return  # absent, or said already
    if is_too_short:
        yield path, "must be at least 1ms; leave out `cache` to keep nothing"


def _check_order(names: Sequence[str], path: KeyPath, auth: str) -> Iterator[Finding]:
    if "authenticate" not in names and auth != "none":
        yield path, "leaves out `authenticate`; that needs `auth: none`"
    if "validate" not in names:
        yield path, "leaves out `validate`; without it no call has a model"
    for name, count in Counter(names).items():
        if count > 1:
            yield (*path, len(names) - 1 - names[::-1].index(name)), f"`{name}` stands {count} times"
    if "authenticate" in names[1:] and names[0] != "authenticate":
        yield (*path, names.index("authenticate")), "`authenticate` must be the first step"
    for index, name in enumerate(names):
        for needed in NEEDED_BEFORE.get(name, ()):
            if needed in names[index + 1 :] and needed not in names[:index]:
                yield (*path, index), f"`{name}` must stand after `{needed}`"
