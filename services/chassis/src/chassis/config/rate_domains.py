"""Limits that a proxy asks for by descriptors: domains, written as envoyproxy/ratelimit writes them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from chassis.config.document import Finding, KeyPath
from chassis.config.section import Section

if TYPE_CHECKING:
    from chassis.config.schema import Settings

DEEPEST = 10  # levels of descriptors; a proxy's own descriptors have two or three entries


class DescriptorLimit(Section, frozen=True, kw_only=True):
    """At most `requests_per_unit` in any `unit` (a month has 30 days, a year 365); 0: none at all. `unlimited` stands instead of
    the two. `name` is told to whoever asks."""

    requests_per_unit: Annotated[int, Meta(ge=0, le=2**32 - 1)] | None = None
    unit: Literal["second", "minute", "hour", "day", "week", "month", "year"] | None = None
    unlimited: bool = False
    name: str = ""


class RateDescriptor(Section, frozen=True, kw_only=True):
    """One step of a descriptor: the entry with this `key` and `value`, in which `*` stands for anything; without a value any, each
    with a counter of its own. `descriptors` match the entries after it. In `shadow_mode` the limit is counted and never refuses."""

    key: Annotated[str, Meta(min_length=1)]
    value: str = ""
    rate_limit: DescriptorLimit | None = None
    shadow_mode: bool = False
    descriptors: "list[RateDescriptor]" = []


class RateDomain(Section, frozen=True, kw_only=True):
    """The limits of one proxy, or of one purpose. With `response_headers` it is given `x-ratelimit-*` and `retry-after` for its
    client."""

    domain: Annotated[str, Meta(min_length=1, max_length=128)]
    descriptors: list[RateDescriptor] = []
    response_headers: bool = True


def check_domains(settings: "Settings") -> Iterator[Finding]:
    """Domains and descriptors are told apart by what they match, and each limit is one."""
    domains = settings.ratelimit.domains
    counts = Counter(domain.domain for domain in domains)
    for index, domain in enumerate(domains):
        path = ("ratelimit", "domains", index)
        if counts[domain.domain] > 1:
            yield (*path, "domain"), f"{domain.domain!r} stands {counts[domain.domain]} times"
        yield from _check_level(domain.descriptors, (*path, "descriptors"), 1)


def _check_level(descriptors: Sequence[RateDescriptor], path: KeyPath, depth: int) -> Iterator[Finding]:
    if descriptors and depth > DEEPEST:
        yield path, f"descriptors are nested more than {DEEPEST} deep"
        return
    counts = Counter((descriptor.key, descriptor.value) for descriptor in descriptors)
    for index, descriptor in enumerate(descriptors):
        here = (*path, index)
        if (times := counts[descriptor.key, descriptor.value]) > 1:
            yield here, f"{_spell(descriptor)} stands {times} times on this level; only one of them could match"
        if descriptor.rate_limit is not None:
            yield from _check_limit(descriptor.rate_limit, (*here, "rate_limit"))
        if descriptor.shadow_mode and (descriptor.rate_limit is None or descriptor.rate_limit.unlimited):
            yield (*here, "shadow_mode"), "there is no limit here that could refuse"
        yield from _check_level(descriptor.descriptors, (*here, "descriptors"), depth + 1)


def _check_limit(limit: DescriptorLimit, path: KeyPath) -> Iterator[Finding]:
    given = [name for name in ("requests_per_unit", "unit") if getattr(limit, name) is not None]
    if limit.unlimited and given:
        yield (*path, "unlimited"), f"an unlimited one has no {' and no '.join(given)}"
    elif not limit.unlimited and len(given) < 2:
        yield path, "needs `requests_per_unit` and `unit`, or `unlimited: true`"


def _spell(descriptor: RateDescriptor) -> str:
    return f"key {descriptor.key!r} " + (f"with value {descriptor.value!r}" if descriptor.value else "without a value")
