"""What types cannot say: names that must exist or differ, and settings that are accepted but could not be enforced yet.

A setting that would promise something (a budget, encryption) is an error until it is kept; anything else that is not
yet built is a notice, said once at start.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from chassis.config.document import KeyPath
from chassis.config.schema import Limits, PipelineStep, Settings
from chassis.keys import HASH_PREFIX, hash_key

_HASH = re.compile(HASH_PREFIX + "[0-9a-f]{64}")
Finding = tuple[KeyPath, str]

STEPS = ("authenticate", "validate", "rate_limit", "cache", "usage", "audit", "request_logger")
LATER_STEPS = ("transform", "idempotency")
BUILT_IN_PIPELINES = ("default",)
NEEDS_BASE_URL = ("openai_compatible",)
STORES = {
    "cache": ("memory", "redis://", "rediss://"),
    "ratelimit": ("memory", "redis://", "rediss://"),
    "audit": ("sqlite",),
}


def find_contradictions(settings: Settings) -> Iterator[Finding]:
    """Every place where the settings contradict themselves or promise what could not be kept."""
    for check in (
        _check_names,
        _check_models,
        _check_providers,
        _check_stores,
        _check_replicas,
        _check_keys,
        _check_pipelines,
        _check_limits,
    ):
        yield from check(settings)
    for path, promises, message in UNKEPT_PROMISES:
        if promises(settings):
            yield path, f"{message}; remove it until a later version can keep it"


# Settings that promise something no part of this version enforces.
UNKEPT_PROMISES: tuple[tuple[KeyPath, Callable[[Settings], bool], str], ...] = (
    (("cache", "encryption"), lambda s: s.cache.encryption is not None, "encryption at rest is not built yet"),
    (("mesh", "tls"), lambda s: s.mesh.tls is not None, "TLS inside the mesh is not built yet"),
    (
        ("edge", "http", "tls"),
        lambda s: s.edge.http.tls is not None,
        "TLS at the edge is not built yet; put Envoy or nginx in front",
    ),
)

# Settings that are accepted and do nothing yet.
UNBUILT: tuple[tuple[str, Callable[[Settings], bool]], ...] = (
    ("edge.http.cors", lambda s: bool(s.edge.http.cors.origins)),
    ("edge.http.trusted_proxies", lambda s: bool(s.edge.http.trusted_proxies)),
    ("edge.websocket", lambda s: s.edge.websocket != type(s.edge.websocket)()),
    ("cache.warm_on_startup", lambda s: s.cache.warm_on_startup),
    ("models[].fallbacks", lambda s: any(model.fallbacks for model in s.models)),
    ("providers[].retries", lambda s: any(provider.retries.attempts for provider in s.providers)),
    ("tenants[].keys_file", lambda s: any(tenant.keys_file for tenant in s.tenants)),
)


def list_unbuilt(settings: Settings) -> list[str]:
    """The settings in use that are accepted but do nothing yet, for one line at start."""
    return [name for name, is_used in UNBUILT if is_used(settings)]


def _check_names(settings: Settings) -> Iterator[Finding]:
    """Names are unique in their list."""
    for section in ("providers", "models", "tenants"):
        counts = Counter(item.name for item in getattr(settings, section))
        for index, item in enumerate(getattr(settings, section)):
            if counts[item.name] > 1:
                yield (section, index, "name"), f"{item.name!r} stands {counts[item.name]} times"


def _check_models(settings: Settings) -> Iterator[Finding]:
    """Targets name providers, fallbacks name models."""
    providers = {provider.name for provider in settings.providers}
    models = {model.name for model in settings.models}
    for index, model in enumerate(settings.models):
        path = ("models", index)
        if "*" in model.name[:-1]:
            yield (*path, "name"), "`*` may stand at the end only"
        for number, target in enumerate(model.targets):
            if target.provider not in providers:
                yield (*path, "targets", number, "provider"), f"there is no provider {target.provider!r}"
        if not model.targets and model.name.partition("/")[0] not in providers:
            yield path, "has no targets, and its name does not begin with `<provider>/`"
        if model.targets and not any(target.weight for target in model.targets):
            yield (*path, "targets"), "every weight is 0"
        for number, fallback in enumerate(model.fallbacks):
            if fallback not in models:
                yield (*path, "fallbacks", number), f"there is no model {fallback!r}"


def _check_providers(settings: Settings) -> Iterator[Finding]:
    for index, provider in enumerate(settings.providers):
        if provider.kind in NEEDS_BASE_URL and not provider.base_url:
            yield ("providers", index), f"kind {provider.kind} needs a base_url"
        yield from _check_address(provider.base_url, ("http", "https"), ("providers", index, "base_url"))
        yield from _check_address(provider.proxy or "", ("http",), ("providers", index, "proxy"))


def _check_address(url: str, schemes: tuple[str, ...], path: KeyPath) -> Iterator[Finding]:
    try:
        parts = urlsplit(url)
        names_a_place = bool(parts.hostname and parts.hostname.encode("idna")) and parts.port != 0
    except ValueError:
        names_a_place = False
    if url and not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        yield path, f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    elif url and not names_a_place:
        yield path, "must name a host, and no port but 1 to 65535"


def _check_stores(settings: Settings) -> Iterator[Finding]:
    for section, known in STORES.items():
        store = getattr(settings, section).store
        if not any(store == name or (name.endswith("://") and store.startswith(name)) for name in known):
            yield (section, "store"), f"{store.partition('://')[0]!r} is not one of: {', '.join(known)}"


def _check_replicas(settings: Settings) -> Iterator[Finding]:
    """Several replicas must share what they count or keep, or each would be right for itself and wrong in all."""
    for section, lonely_store in (("ratelimit", "memory"), ("audit", "sqlite")):
        if getattr(settings.mesh, section).replicas > 1 and getattr(settings, section).store == lonely_store:
            message = (
                f"several replicas cannot share the store {lonely_store!r}; set {section}.store to one that they can"
            )
            yield ("mesh", section, "replicas"), message
    for section in ("cache", "ratelimit", "provider", "audit"):
        peer = getattr(settings.mesh, section)
        if peer.replicas > 1 and peer.listen != "unix":
            message = "several replicas on one machine need `listen: unix`; elsewhere name `endpoints`"
            yield ("mesh", section, "replicas"), message


def _check_keys(settings: Settings) -> Iterator[Finding]:
    """A key has a secret or a hash, and no two keys are the same."""
    pepper = settings.edge.key_pepper.reveal() if settings.edge.key_pepper else None
    seen: dict[str, str] = {}
    for number, tenant in enumerate(settings.tenants):
        for index, key in enumerate(tenant.keys):
            path = ("tenants", number, "keys", index)
            if (key.secret is None) == (key.hash is None):
                yield path, "needs either `secret` or `hash`"
            elif key.secret is not None:
                secret = key.secret.reveal()
                if not 16 <= len(secret) <= 256 or not (secret.isascii() and secret.isprintable()) or " " in secret:
                    yield (*path, "secret"), "must be 16 to 256 printable ASCII characters without spaces"
            elif not _HASH.fullmatch(key.hash or ""):
                yield (*path, "hash"), f"must be {HASH_PREFIX} and 64 hex digits"
            identity = hash_key(key.secret.reveal(), pepper) if key.secret else key.hash or ""
            if identity and identity in seen:
                yield path, f"is the same key as {seen[identity]}"
            seen[identity] = f"{tenant.name}/{key.name}"


def _check_pipelines(settings: Settings) -> Iterator[Finding]:
    for name, steps in settings.pipelines.items():
        for index, step in enumerate(steps):
            yield from _check_step(step, ("pipelines", name, index))
        if steps and "authenticate" not in map(step_name, steps):
            yield ("pipelines", name), "leaves out `authenticate`; this version has no `auth: none`"
        if name not in BUILT_IN_PIPELINES:
            yield ("pipelines", name), "a pipeline of your own cannot be chosen yet; this version has `default` only"
    for index, tenant in enumerate(settings.tenants):
        if tenant.pipeline not in BUILT_IN_PIPELINES:
            yield ("tenants", index, "pipeline"), f"there is no pipeline {tenant.pipeline!r}"


def _check_step(step: PipelineStep, path: KeyPath) -> Iterator[Finding]:
    name = step_name(step)
    if isinstance(step, dict) and len(step) != 1:
        yield path, "must be a name, or one name with its options"
    elif name in LATER_STEPS:
        yield path, f"`{name}` is not built yet; remove it until a later version has it"
    elif name not in STEPS:
        yield path, f"there is no middleware {name!r}; known here: {', '.join(STEPS)}"


def step_name(step: PipelineStep) -> str:
    """The middleware that a pipeline's step names."""
    return step if isinstance(step, str) else next(iter(step), "")


def _check_limits(settings: Settings) -> Iterator[Finding]:
    for number, tenant in enumerate(settings.tenants):
        yield from _check_limit(tenant.limits, ("tenants", number, "limits"))
        for index, key in enumerate(tenant.keys):
            yield from _check_limit(key.limits, ("tenants", number, "keys", index, "limits"))


def _check_limit(limits: Limits, path: KeyPath) -> Iterator[Finding]:
    for name in ("tokens_per_minute", "concurrency", "budget"):
        if getattr(limits, name) is not None:
            yield (*path, name), "cannot be enforced yet; remove it until a later version can"
