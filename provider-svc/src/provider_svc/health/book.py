"""The health of all targets of this process, whichever snapshot names them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from weakref import WeakValueDictionary

from chassis.config.providers import Provider
from provider_svc.health.target import TargetHealth, Tell

CAPACITY = 4_096  # targets; a model's name may be the client's where a route's name ends in `*`
LONGEST_NAME = 256  # characters; what is longer shares its health with all that begins so
LOOKED_AT = 16


class HealthBook:
    """Keeps a `TargetHealth` for each provider's name and model, across reloads. Of more than `capacity` it forgets the longest unused, but none
    that runs something; what a route still holds comes back when it is asked for again. `on_open` is told provider, model and seconds when a breaker opens or a target is ejected, `on_new` of each target
    that is first used."""

    def __init__(self, on_open: Tell | None = None, *, capacity: int = CAPACITY) -> None:
        self.on_open = on_open
        self.on_new: Callable[[TargetHealth], None] | None = None
        self._capacity = capacity
        self._targets: OrderedDict[tuple[str, str], TargetHealth] = OrderedDict()
        self._held: WeakValueDictionary[tuple[str, str], TargetHealth] = WeakValueDictionary()
        self._configured: dict[str, Provider] = {}

    def of(self, provider: Provider, model: str) -> TargetHealth:
        """The health of a provider's model, by the provider's settings as they are here."""
        if self._configured.get(provider.name) is not provider:
            self._configure(provider)
        key = (provider.name, model[:LONGEST_NAME])
        health = self._targets.get(key)
        if health is None:
            return self._add(provider, model[:LONGEST_NAME])
        self._targets.move_to_end(key)
        return health

    def find(self, provider: str, model: str) -> TargetHealth | None:
        """The health of a target that was used; None of one that is not known. Does not count as use."""
        return self._held.get((provider, model[:LONGEST_NAME]))

    def look_at(self, provider: Provider, model: str) -> TargetHealth:
        """As `of`, for who only looks: a target that nobody has used is as it would be then, and stays unknown."""
        health = self.find(provider.name, model)
        if health is None:
            health = TargetHealth(provider.name, model[:LONGEST_NAME], provider.breaker, provider.ejection)
            if self.on_new is not None:
                self.on_new(health)
        return health

    def _add(self, provider: Provider, model: str) -> TargetHealth:
        key = (provider.name, model)
        held = self._held.get(key)
        health = held or TargetHealth(*key, provider.breaker, provider.ejection, self._tell)
        self._make_room()
        self._targets[key] = self._held[key] = health
        if held is None and self.on_new is not None:
            self.on_new(health)
        return health

    def _make_room(self) -> None:
        """What runs something is in use and goes to the end of the line. A few are looked at each time: that is enough, for there are
        only so many calls."""
        for _ in range(LOOKED_AT):
            if len(self._targets) < self._capacity:
                return
            key = next(iter(self._targets))
            if self._targets[key].running:
                self._targets.move_to_end(key)
            else:
                del self._targets[key]

    def _configure(self, provider: Provider) -> None:
        before = self._configured.get(provider.name)
        self._configured[provider.name] = provider
        if before is None or (before.breaker, before.ejection) == (provider.breaker, provider.ejection):
            return
        for health in list(self._held.values()):
            if health.provider == provider.name:
                health.configure(provider.breaker, provider.ejection)

    def _tell(self, provider: str, model: str, seconds: float) -> None:
        if self.on_open is not None:
            self.on_open(provider, model, seconds)

    def __iter__(self) -> Iterator[TargetHealth]:
        """All of them now, the longest unused first."""
        return iter(list(self._targets.values()))

    def __len__(self) -> int:
        return len(self._targets)

    def __repr__(self) -> str:
        running = sum(health.running for health in self)
        return f"HealthBook({len(self)}/{self._capacity} targets, {running} calls)"
