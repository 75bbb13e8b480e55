"""One version of the configuration, named by its content, and which sections of it each service is sent."""

import hashlib
from dataclasses import dataclass

from msgspec.structs import replace

from chassis.config import Settings, StoreUrl, decode, encode
from chassis.config.document import KeyPath
from chassis.config.provider_keys import hide_keys

# Which sections each service is sent: the cache never sees a provider's credentials.
SECTIONS: dict[str, tuple[str, ...]] = {
    "edge": (
        "auth",
        "edge",
        "cache",
        "ratelimit",
        "audit",
        "mesh",
        "models",
        "providers",
        "pipelines",
        "tenants",
        "authentication",
        "telemetry",
    ),
    "cache": ("cache", "mesh", "telemetry"),
    "ratelimit": ("ratelimit", "mesh", "telemetry"),
    "provider": ("providers", "models", "mesh", "telemetry"),
    "audit": ("audit", "mesh", "telemetry"),
}

# What is hidden in the sections that the edge is sent: others' credentials. An int stands for any place in a list.
HIDDEN: dict[str, tuple[KeyPath, ...]] = {
    "edge": (
        ("providers", 0, "api_key"),
        ("providers", 0, "api_keys"),
        ("cache", "encryption"),
        ("cache", "store"),
        ("cache", "state", "store"),
        ("ratelimit", "store"),
        ("audit", "store"),
    )
}
WRITTEN = 8  # digits of a version that a process reads of its own file: how the file is written, whatever it refers to


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the configuration, or of the sections that one service needs."""

    version: str
    settings: Settings


def snapshot_version(settings: Settings) -> str:
    """The content hash of a configuration: equal versions are equal configurations."""
    return hashlib.sha256(encode(settings, reveal=True)).hexdigest()[:16]


def take_snapshot(settings: Settings) -> Snapshot:
    """The whole configuration as a snapshot."""
    return Snapshot(snapshot_version(settings), settings)


def own_version(written: str, settings: Settings) -> str:
    """The version of what a process reads of its own file. Its first half is the same in all processes that read the same text, though each
    has its own secrets; the second tells what the references in it came to here."""
    return hashlib.sha256(written.encode()).hexdigest()[:WRITTEN] + snapshot_version(settings)[WRITTEN:]


def is_sent(service: str, path: KeyPath) -> bool:
    """Whether `service` is sent the value at `path`, or something in it."""
    return path[:1] == () or (
        path[0] in SECTIONS[service] and not any(_is_below(path, hidden) for hidden in HIDDEN.get(service, ()))
    )


def document_for(service: str, settings: Settings) -> bytes:
    """The sections that `service` is sent, as JSON, with secrets. The edge gets no provider credentials, no password of a store, and no key
    that stored answers are encrypted with."""
    if service == "edge":
        settings = _hide_credentials(settings)
    sections = {name: getattr(settings, name) for name in SECTIONS[service]}
    return encode(Settings(**sections), reveal=True)


def settings_for(service: str, settings: Settings) -> Settings:
    """The same as settings: all that a process holds."""
    return decode(document_for(service, settings))


def _hide_credentials(settings: Settings) -> Settings:
    cache, ratelimit, audit = settings.cache, settings.ratelimit, settings.audit
    state = replace(cache.state, store=cache.state.store and _hide_password(cache.state.store))
    return replace(
        settings,
        providers=list(map(hide_keys, settings.providers)),
        cache=replace(cache, encryption=None, store=_hide_password(cache.store), state=state),
        ratelimit=replace(ratelimit, store=_hide_password(ratelimit.store)),
        audit=replace(audit, store=_hide_password(audit.store)),
    )


def _hide_password(store: StoreUrl) -> StoreUrl:
    return StoreUrl(store.masked)


def _is_below(path: KeyPath, place: KeyPath) -> bool:
    return len(path) >= len(place) and all(
        isinstance(part, int) if isinstance(there, int) else part == there
        for part, there in zip(path, place, strict=False)
    )
