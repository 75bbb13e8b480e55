"""What types cannot say: names that must exist or differ, and values that could not work together."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlsplit

from chassis.config.credentials import check_authentication
from chassis.config.document import Finding, KeyPath
from chassis.config.doors import check_doors
from chassis.config.encryption import check_encryption
from chassis.config.idempotency import check_idempotency
from chassis.config.leads import check_leads
from chassis.config.mesh import check_mesh
from chassis.config.pipelines import check_pipelines
from chassis.config.presets import POSSIBLE, PRESETS, find_address
from chassis.config.provider_keys import check_keys
from chassis.config.providers import Provider
from chassis.config.rate_domains import check_domains
from chassis.config.replicas import check_replicas
from chassis.config.schema import Settings
from chassis.config.tenants import check_tenants
from chassis.config.unbuilt import find_unkept_promises
from chassis.config.warming import check_warming

LARGEST_BODY = 64 << 20  # bytes; with its envelope it must fit into one message of the mesh
LONGEST_WINDOW = 1.0  # seconds that a call waits for others; above, somebody meant milliseconds
PRESET_KIND = "openai_compatible"
CLUSTERS = ("redis+cluster://", "rediss+cluster://")
NO_CLUSTER = "a cluster has no one server that could charge all limits of a call in one step"
STORES = {
    "cache": ("memory", "redis://", "rediss://", *CLUSTERS),
    "ratelimit": ("memory", "redis://", "rediss://"),
    "audit": ("sqlite", "postgresql://", "postgres://"),
}


def find_contradictions(settings: Settings) -> Iterator[Finding]:
    """Every place where the settings contradict themselves or promise what could not be kept."""
    for check in (
        _check_body_bound,
        check_doors,
        _check_names,
        _check_models,
        check_leads,
        _check_providers,
        _check_stores,
        _check_state_store,
        check_replicas,
        check_domains,
        check_mesh,
        check_tenants,
        check_authentication,
        check_pipelines,
        check_idempotency,
        check_warming,
        check_encryption,
        find_unkept_promises,
    ):
        yield from check(settings)


def _check_body_bound(settings: Settings) -> Iterator[Finding]:
    if settings.edge.http.max_body > LARGEST_BODY:
        yield (
            ("edge", "http", "max_body"),
            "must be at most 64MiB: a larger body does not fit into a message of the mesh",
        )


def _check_names(settings: Settings) -> Iterator[Finding]:
    """Names are unique in their list."""
    for section in ("providers", "models", "tenants"):
        yield from _find_namesakes([item.name for item in getattr(settings, section)], (section,))
    for index, tenant in enumerate(settings.tenants):
        yield from _find_namesakes([key.name for key in tenant.keys], ("tenants", index, "keys"))


def _find_namesakes(names: Sequence[str], path: KeyPath) -> Iterator[Finding]:
    counts = Counter(names)
    for index, name in enumerate(names):
        if counts[name] > 1:
            yield (*path, index, "name"), f"{name!r} stands {counts[name]} times"


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
        if not model.targets and not model.experiment and model.name.partition("/")[0] not in providers:
            yield path, "has no targets, and its name does not begin with `<provider>/`"
        if model.targets and not any(target.weight for target in model.targets):
            yield (*path, "targets"), "every weight is 0"
        for number, fallback in enumerate(model.fallbacks):
            if (fault := _find_fault(fallback, model.name, models)) is not None:
                yield (*path, "fallbacks", number), fault


def _find_fault(fallback: str, model: str, models: Collection[str]) -> str | None:
    """Why `model` cannot fall back to it."""
    if fallback == model:
        return "is the model itself"
    if fallback.endswith("*"):
        return f"{fallback!r} is many models; name one"
    return None if fallback in models else f"there is no model {fallback!r}"


def _check_providers(settings: Settings) -> Iterator[Finding]:
    for index, provider in enumerate(settings.providers):
        for where, message in _check_provider(provider):
            yield ("providers", index, *where), message
        yield from _check_address(provider.base_url, ("http", "https"), ("providers", index, "base_url"))
        yield from _check_address(provider.proxy or "", ("http",), ("providers", index, "proxy"))


def _check_provider(provider: Provider) -> Iterator[Finding]:
    if provider.preset and provider.kind != PRESET_KIND:
        yield ("preset",), f"belongs to kind {PRESET_KIND}"
    elif provider.preset and provider.preset not in PRESETS:
        yield ("preset",), f"{provider.preset!r} is not one of: {', '.join(PRESETS)}"
    elif provider.kind == PRESET_KIND and not find_address(provider):
        yield (), f"kind {provider.kind} needs a base_url, or a preset"
    if provider.batching.window > LONGEST_WINDOW:
        yield (
            ("batching", "window"),
            f"must be at most {LONGEST_WINDOW:g}s: the first call of each batch waits for so long",
        )
    possible = POSSIBLE[provider.kind]
    for number, dialect in enumerate(provider.dialects):
        if dialect not in possible:
            yield ("dialects", number), f"kind {provider.kind} cannot speak {dialect!r}, but: {', '.join(possible)}"
    yield from check_keys(provider)


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
            message = f"{store.partition('://')[0]!r} is not one of: {', '.join(known)}"
            yield (section, "store"), message + (f"; {NO_CLUSTER}" if store.startswith(CLUSTERS) else "")


def _check_state_store(settings: Settings) -> Iterator[Finding]:
    store, known = settings.cache.state.store, STORES["cache"]
    if store is not None and store != known[0] and not store.startswith(known[1:]):
        yield ("cache", "state", "store"), f"{store.partition('://')[0]!r} is not one of: {', '.join(known)}"
