"""What the step `idempotency` may promise: what its store can keep, and only where all edges share that store."""

from collections.abc import Iterator

from chassis.config.document import Finding, KeyPath
from chassis.config.pipelines import step_name, step_options
from chassis.config.schema import Settings
from chassis.config.shared_state import find_unshared_state, largest_answer
from chassis.config.units import Duration, Size

SHORTEST_TTL, LONGEST_TTL = 1.0, 7 * 86_400.0  # seconds
ENVELOPE = 4096  # bytes at most of what is kept beside an answer


def check_idempotency(settings: Settings) -> Iterator[Finding]:
    """Options out of bounds, and a store that would not hold for all edges."""
    paths = dict(_find_steps(settings))
    for path, options in paths.items():
        yield from _check_ttl(options.get("ttl"), (*path, "ttl"))
        yield from _check_size(options.get("max_answer"), largest_answer(settings) - ENVELOPE, (*path, "max_answer"))
    if paths:
        names = ", ".join(dict.fromkeys(f"pipelines.{path[1]}" for path in paths))
        yield from find_unshared_state(settings, f"`idempotency` in {names}")


def _find_steps(settings: Settings) -> Iterator[tuple[KeyPath, dict[str, object]]]:
    for name, steps in settings.pipelines.items():
        for index, step in enumerate(steps):
            if step_name(step) == "idempotency":
                yield ("pipelines", name, index, "idempotency"), step_options(step)


def _check_ttl(ttl: object, path: KeyPath) -> Iterator[Finding]:
    try:
        is_kept = SHORTEST_TTL <= Duration.parse(ttl) <= LONGEST_TTL
    except ValueError:
        return  # absent, or said already
    if not is_kept:
        yield path, "must be from 1s to 7d"


def _check_size(size: object, most: int, path: KeyPath) -> Iterator[Finding]:
    try:
        fits = Size.parse(size) <= most
    except ValueError:
        return  # as above
    if not fits:
        yield (
            path,
            f"must be at most {most} bytes: an eighth of cache.state.max_bytes, less what is kept beside an answer",
        )
