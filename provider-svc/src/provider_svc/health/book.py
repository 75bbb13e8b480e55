"""The health of all targets of this process."""

from collections import OrderedDict
from collections.abc import Iterator

from chassis.config.providers import Provider as Configured
from provider_svc.health.target import OnOpen, TargetHealth

MOST = 4_096  # models behind a wildcard have names that clients choose


class HealthBook:
    """One entry for each provider and model, made when it is first asked for and kept over changes of the configuration; the longest
    unused, of those that run nothing, make room. `on_open` is told when a target is left alone."""

    def __init__(self) -> None:
        self.on_open: OnOpen | None = None
        self._targets: OrderedDict[tuple[str, str], TargetHealth] = OrderedDict()
        self._configured: dict[str, Configured] = {}

    def of(self, configured: Configured, model: str) -> TargetHealth:
        """How `model` at a provider is."""
        key = (configured.name, model)
        target = self._targets.get(key)
        if target is None:
            target = self._targets[key] = TargetHealth(configured, model, self._tell)
            self._make_room()
        else:
            self._targets.move_to_end(key)
        if self._configured.get(configured.name) is not configured:
            self._configure(configured)
        return target

    def find(self, provider: str, model: str) -> TargetHealth | None:
        """The same where it is known; None where nobody has asked for it."""
        return self._targets.get((provider, model))

    def look_at(self, configured: Configured, model: str) -> TargetHealth:
        """As `of`, for who only looks: a target that nobody has asked for is well, and stays unknown."""
        return self.find(configured.name, model) or TargetHealth(configured, model, self._tell)

    def __iter__(self) -> Iterator[TargetHealth]:
        return iter(list(self._targets.values()))

    def __len__(self) -> int:
        return len(self._targets)

    def _configure(self, configured: Configured) -> None:
        self._configured[configured.name] = configured
        for target in self._targets.values():
            if target.provider == configured.name:
                target.configure(configured)

    def _tell(self, provider: str, model: str, seconds: float) -> None:
        if self.on_open is not None:
            self.on_open(provider, model, seconds)

    def _make_room(self) -> None:
        if len(self._targets) > MOST:
            idle = next((key for key, target in self._targets.items() if not target.running), None)
            if idle is not None:
                del self._targets[idle]

    def __repr__(self) -> str:
        return f"HealthBook({len(self._targets)} targets)"
