"""What a first start needs beyond the file. Pure: settings and environment in, settings out."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec.structs import replace

from chassis.config import Secret, Settings
from chassis.config.models import Model, Target
from chassis.config.providers import Provider

SIMULATED_MODEL = "simulated"
SIMULATED_PROVIDER = "sim"
DEVELOPMENT = "development"

# The environment's credentials and the kind (and name) of the provider that each brings.
CREDENTIALS: dict[str, Literal["openai", "anthropic"]] = {"OPENAI_API_KEY": "openai", "ANTHROPIC_API_KEY": "anthropic"}


def add_providers(settings: Settings, environment: Mapping[str, str]) -> Settings:
    """`settings` with the makers whose key stands in the environment, and, where the file has no provider or has the
    simulated one itself, with the simulated model.

    What the file defines under the same name stays as it is.
    """
    providers, models = list(settings.providers), list(settings.models)
    known = {provider.name: provider for provider in providers}
    for provider, model in _offered(settings, environment):
        if provider.name not in known:
            providers.append(provider)
        elif known[provider.name].kind != "simulated":
            continue  # the name means something else in this file
        if all(model.name != other.name for other in models):
            models.append(model)
    return replace(settings, providers=providers, models=models)


def _offered(settings: Settings, environment: Mapping[str, str]) -> Iterator[tuple[Provider, Model]]:
    if not settings.providers or any(provider.name == SIMULATED_PROVIDER for provider in settings.providers):
        # Never beside providers of the file's own: any key could keep connections busy with answers that take an hour.
        target = Target(provider=SIMULATED_PROVIDER, model=SIMULATED_MODEL)
        yield Provider(name=SIMULATED_PROVIDER, kind="simulated"), Model(name=SIMULATED_MODEL, targets=[target])
    for variable, maker in CREDENTIALS.items():
        if secret := environment.get(variable, "").strip():
            yield Provider(name=maker, kind=maker, api_key=Secret(secret)), Model(name=f"{maker}/*")


def model_to_try(settings: Settings) -> str:
    """A public name for a first call: `simulated` where it is there, else the first that is no wildcard, else a form to
    fill in."""
    names = [model.name for model in settings.models if not model.name.endswith("*")]
    if SIMULATED_MODEL in names or not settings.providers:
        return SIMULATED_MODEL
    return names[0] if names else f"{settings.providers[0].name}/<model>"


def needs_development_tenant(settings: Settings) -> bool:
    """Whether nobody could call: the file names no tenant."""
    return not settings.tenants


def describe_development_tenant(key: str) -> dict[str, Any]:
    """The tenant `development`, who has one key, as a configuration writes it."""
    return {"name": DEVELOPMENT, "keys": [{"name": DEVELOPMENT, "secret": key}]}


def needs_admin_key(settings: Settings) -> bool:
    """Whether the file names no admin key."""
    return settings.edge.admin.key is None and settings.edge.admin.key_hash is None


def add_admin_key(settings: Settings, key: str) -> Settings:
    """`settings` with `key` as the admin key."""
    edge = settings.edge
    return replace(settings, edge=replace(edge, admin=replace(edge.admin, key=Secret(key))))
