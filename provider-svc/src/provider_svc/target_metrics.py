"""What the metrics show of targets as they are, beside what is counted of calls. Labels: a provider's configured name, and a model as the
configuration has it, `*` for names that clients choose."""

from collections.abc import Callable, Sequence

from chassis.clock import Clock
from chassis.metrics import Metrics
from provider_svc.inspection import Watched, add_up

LABELS = ("provider", "model")


def observe_targets(metrics: Metrics, clock: Clock, list_targets: Callable[[], Sequence[Watched]]) -> None:
    """Shows them from now on; what `list_targets` gives is looked at when the metrics are asked for."""

    def measure(place: int) -> Callable[[], list[tuple[Sequence[str], float]]]:
        return lambda: [(key, sums[place]) for key, sums in add_up(list_targets(), clock.monotonic()).items()]

    metrics.survey("target_running", "Upstream calls that run at a target now", LABELS, measure(0))
    metrics.survey("target_open", "1 while no calls go to a target, because they failed there", LABELS, measure(1))
