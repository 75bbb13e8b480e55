"""What a client says about the cache: `Cache-Control` of RFC 9111 (section 5.2.1), and LiteLLM's body field `cache`. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from chassis.errors import Reason, RunestoneError

FIELD = "cache"
ANY_AGE = float("inf")
LONGEST = 1e9  # seconds


class Controls(Struct, frozen=True):
    """What the client wants; ages and times in seconds, None where it does not say. `max_stale` is how far beyond its freshness an
    answer may be, `min_fresh` how long it must still be fresh. `uses_cache` asks for an answer to be kept that otherwise would not
    be. Answers of one `namespace` are not found from another."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: float | None = None
    max_stale: float | None = None
    min_fresh: float = 0.0
    ttl: float | None = None
    namespace: str = ""
    uses_cache: bool = False


NO_CONTROLS = Controls()


def read_header(header: str, controls: Controls = NO_CONTROLS) -> Controls:
    """`controls`, and what a `Cache-Control` header says; what it does not know, and a number that is none, it passes over."""
    said = _said(controls)
    for directive in header.split(","):
        name, _, value = directive.strip().lower().partition("=")
        if (read := DIRECTIVES.get(name)) is not None:
            said.update(read(value.strip('"')))
    return Controls(**said)


def read_field(field: object) -> Controls:
    """What a body's `cache` says; `null` says nothing. Raises INVALID_REQUEST for what it does not know: a wish that is passed over
    would be a promise broken."""
    if field is None:
        return NO_CONTROLS
    if not isinstance(field, dict):
        raise _refusal(FIELD, "must be an object")
    said: dict[str, Any] = {}
    for name, value in field.items():
        if name not in MEMBERS:
            raise _refusal(f"{FIELD}.{name}", f"is not known; known are {', '.join(MEMBERS)}")
        said.update(MEMBERS[name](f"{FIELD}.{name}", value))
    return Controls(**said)


def _said(controls: Controls) -> dict[str, Any]:
    return {name: getattr(controls, name) for name in controls.__struct_fields__}


def _seconds(text: str) -> float | None:
    """A number of seconds (RFC 9111, section 1.2.2); None for what is none."""
    return float(text[:9]) if text.isascii() and text.isdigit() else None


def _flag(name: str) -> Callable[[str], Mapping[str, Any]]:
    return lambda _value: {name: True}


def _number(name: str) -> Callable[[str], Mapping[str, Any]]:
    def read(value: str) -> Mapping[str, Any]:
        seconds = _seconds(value)
        return {} if seconds is None else {name: seconds}

    return read


def _max_stale(value: str) -> Mapping[str, Any]:
    return {"max_stale": ANY_AGE} if not value else _number("max_stale")(value)


DIRECTIVES: dict[str, Callable[[str], Mapping[str, Any]]] = {
    "no-cache": _flag("no_cache"),
    "no-store": _flag("no_store"),
    "only-if-cached": _flag("only_if_cached"),
    "max-age": _number("max_age"),
    "max-stale": _max_stale,
    "min-fresh": _number("min_fresh"),
}


def _wish(name: str) -> Callable[[str, object], Mapping[str, Any]]:
    def read(path: str, value: object) -> Mapping[str, Any]:
        if not isinstance(value, bool):
            raise _refusal(path, "must be true or false")
        return {name: value}

    return read


def _span(name: str) -> Callable[[str, object], Mapping[str, Any]]:
    def read(path: str, value: object) -> Mapping[str, Any]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
            raise _refusal(path, "must be a number of seconds")
        return {name: float(value)}

    return read


def _name(path: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, str) or len(value) > 256:
        raise _refusal(path, "must be a string of at most 256 characters")
    return {"namespace": value}


MEMBERS: dict[str, Callable[[str, object], Mapping[str, Any]]] = {
    "no-cache": _wish("no_cache"),
    "no-store": _wish("no_store"),
    "use-cache": _wish("uses_cache"),
    "ttl": _span("ttl"),
    "s-maxage": _span("max_age"),
    "s-max-age": _span("max_age"),
    "namespace": _name,
}


def _refusal(path: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{path} {message}", param=path)
