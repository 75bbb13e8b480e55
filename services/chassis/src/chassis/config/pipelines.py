"""What may stand in a pipeline: the steps, the options of each, and the orders in which they can work."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import UNSET, UnsetType

from chassis.config.document import Finding, KeyPath
from chassis.config.schema import PipelineStep, Rate, Section, Settings
from chassis.config.shapes import find_type_errors
from chassis.config.units import Duration

SHORTEST_TTL = 0.001  # seconds; less is rounded to nothing on the wire, which would mean the default


class NoOptions(Section, frozen=True, kw_only=True):
    """A step that takes none."""


class RateLimitOptions(Section, frozen=True, kw_only=True):
    """A limit of the pipeline's own, beside those of tenant and key; absent: none."""

    requests_per_minute: Rate | None = None


class CacheOptions(Section, frozen=True, kw_only=True):
    """How long answers are kept; absent: `cache.default_ttl`."""

    ttl: Duration | UnsetType = UNSET


STEPS: dict[str, type[Section]] = {
    "authenticate": NoOptions,
    "validate": NoOptions,
    "rate_limit": RateLimitOptions,
    "cache": CacheOptions,
    "usage": NoOptions,
    "audit": NoOptions,
    "request_logger": NoOptions,
}
LATER_STEPS = ("transform", "idempotency")
BUILT_IN_PIPELINES = ("default",)

# What a step cannot do without: the step that must stand before it.
NEEDED_BEFORE = {"rate_limit": "validate", "cache": "validate"}


def check_pipelines(settings: Settings) -> Iterator[Finding]:
    """Everything in `pipelines` that is unknown, could not work, or leaves out what every call needs."""
    for name, steps in settings.pipelines.items():
        path = ("pipelines", name)
        for index, step in enumerate(steps):
            yield from _check_step(step, (*path, index))
        yield from _check_order([step_name(step) for step in steps], path)
        if name not in BUILT_IN_PIPELINES:
            yield path, "a pipeline of your own cannot be chosen yet; this version has `default` only"
    for index, tenant in enumerate(settings.tenants):
        if tenant.pipeline not in BUILT_IN_PIPELINES:
            yield ("tenants", index, "pipeline"), f"there is no pipeline {tenant.pipeline!r}"


def step_name(step: PipelineStep) -> str:
    """The middleware that a pipeline's step names."""
    return step if isinstance(step, str) else next(iter(step), "")


def _check_step(step: PipelineStep, path: KeyPath) -> Iterator[Finding]:
    name = step_name(step)
    if isinstance(step, dict) and len(step) != 1:
        yield path, "must be a name, or one name with its options"
    elif name in LATER_STEPS:
        yield path, f"`{name}` is not built yet; remove it until a later version has it"
    elif name not in STEPS:
        yield path, f"there is no middleware {name!r}; known here: {', '.join(STEPS)}"
    elif isinstance(step, dict):
        options = step[name] or {}
        yield from find_type_errors(options, STEPS[name], (*path, name))
        if name == "cache":
            yield from _check_ttl(options.get("ttl"), (*path, name, "ttl"))


def _check_ttl(ttl: object, path: KeyPath) -> Iterator[Finding]:
    try:
        is_too_short = Duration.parse(ttl) < SHORTEST_TTL
    except ValueError:
        return  # absent, or said already
    if is_too_short:
        yield path, "must be at least 1ms; leave out `cache` to keep nothing"


def _check_order(names: Sequence[str], path: KeyPath) -> Iterator[Finding]:
    if "authenticate" not in names:
        yield path, "leaves out `authenticate`; this version has no `auth: none`"
    if "validate" not in names:
        yield path, "leaves out `validate`; without it no call has a model"
    for name, count in Counter(names).items():
        if count > 1:
            yield (*path, len(names) - 1 - names[::-1].index(name)), f"`{name}` stands {count} times"
    if "authenticate" in names[1:] and names[0] != "authenticate":
        yield (*path, names.index("authenticate")), "`authenticate` must be the first step"
    for index, name in enumerate(names):
        needed = NEEDED_BEFORE.get(name)
        if needed in names[index + 1 :] and needed not in names[:index]:
            yield (*path, index), f"`{name}` must stand after `{needed}`"
