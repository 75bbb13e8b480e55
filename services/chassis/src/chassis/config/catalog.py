"""Which public model names exist and which targets answer for them: one pure look-up, used by the edge and provider-svc."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from chassis.config.models import Model, Target
from chassis.config.providers import Provider

PASSED_ON = Model(name="*")  # how `<provider>/<model>` is treated where no entry says otherwise


@dataclass(frozen=True, slots=True)
class Route:
    """What a public model name stands for. `name` is the entry of the configuration that
    matched, or `<provider>/*`: never a string of the client's own, so that it may label a metric. `entry` says how its targets are chosen."""

    name: str
    targets: tuple[Target, ...]
    entry: Model = PASSED_ON

    @property
    def is_strict(self) -> bool:
        """Whether a call is refused where a translation would have to leave out what may change its answer."""
        return self.entry.on_loss == "refuse"


class Catalog:
    """Resolves public model names: an exact entry, then the longest wildcard, then `<provider>/<model>`."""

    def __init__(self, models: Sequence[Model], providers: Sequence[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._exact = {model.name: self._make_route(model) for model in models if not model.name.endswith("*")}
        wildcards = (model for model in models if model.name.endswith("*"))
        self._wildcards = sorted(wildcards, key=lambda model: len(model.name), reverse=True)

    @property
    def names(self) -> list[str]:
        """The public names, wildcards included, in the configuration's order within each kind."""
        return [*self._exact, *(model.name for model in self._wildcards)]

    def find_route(self, model: str) -> Route | None:
        """The route of a public model name; None when nothing answers for it."""
        if (route := self._exact.get(model)) is not None:
            return route
        for entry in self._wildcards:
            if model.startswith(stem := entry.name[:-1]) and len(model) > len(stem):
                targets = tuple(_fill(target, model[len(stem) :]) for target in entry.targets)
                return Route(entry.name, targets or self._passed_on(model), entry)
        targets = self._passed_on(model)
        return Route(f"{targets[0].provider}/*", targets) if targets else None

    def _make_route(self, entry: Model) -> Route:
        return Route(entry.name, tuple(entry.targets) or self._passed_on(entry.name), entry)

    def _passed_on(self, model: str) -> tuple[Target, ...]:
        """The target that `<provider>/<model>` names itself."""
        provider, _, upstream_model = model.partition("/")
        if upstream_model and provider in self._providers:
            return (Target(provider=provider, model=upstream_model),)
        return ()


def _fill(target: Target, matched: str) -> Target:
    if "*" not in target.model:
        return target
    return replace(target, model=target.model.replace("*", matched))
