"""One version of the configuration, named by its content, and which sections of it each service is sent."""

import hashlib
from dataclasses import dataclass

from msgspec.structs import replace

from chassis.config import Settings, encode
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the configuration, or of the sections that one service needs."""

    version: str
    settings: Settings


def snapshot_version(settings: Settings) -> str:
    """The content hash of a configuration: equal versions are equal configurations."""
    return hashlib.sha256(encode(settings, reveal=True)).hexdigest()[:16]


def document_for(service: str, settings: Settings) -> bytes:
    """The sections that `service` is sent, as JSON, with secrets. The edge gets no provider credentials, and no key that stored
    answers are encrypted with."""
    if service == "edge":
        providers = list(map(hide_keys, settings.providers))
        settings = replace(settings, providers=providers, cache=replace(settings.cache, encryption=None))
    sections = {name: getattr(settings, name) for name in SECTIONS[service]}
    return encode(Settings(**sections), reveal=True)
