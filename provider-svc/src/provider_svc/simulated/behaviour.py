"""How one simulated call behaves: the configuration's say, and what the model's name asks for beyond it.

The name `words=200,pace=20ms,latency=3s,status=500,cut=10` sets each by name, in any order; a first part without `=` is
a name and no more. So tests and benchmarks reach every behaviour through the gateway, without another configuration.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from chassis.config.providers import Simulation
from chassis.config.units import Duration
from chassis.errors import Reason, RunestoneError


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Seconds before the first byte and between two events, words to answer, the HTTP status to fail with (0: none), and
    after how many events the stream breaks off (0: never)."""

    latency: float = 0.0
    pace: float = 0.0
    words: int = 24
    status: int = 0
    cut: int = 0


MOST: dict[str, float] = {"latency": 3600, "pace": 3600, "words": 100_000, "status": 599, "cut": 1_000_000}
READERS: dict[str, Callable[[str], float]] = {
    "latency": Duration.parse,
    "pace": Duration.parse,
    "words": int,
    "status": int,
    "cut": int,
}


def read_behaviour(model: str, simulation: Simulation) -> Behaviour:
    """The behaviour that `model` asks for. Raises PROVIDER_REFUSED for what the grammar does not know."""
    configured = Behaviour(
        latency=simulation.latency, pace=simulation.pace, words=simulation.words, status=simulation.status
    )
    name, _, rest = model.partition(",")
    wishes = model if "=" in name else rest
    if not wishes:
        return configured
    return replace(configured, **dict(_read_wish(wish, model) for wish in wishes.split(",")))  # type: ignore[arg-type]  # READERS' types


def _read_wish(wish: str, model: str) -> tuple[str, float]:
    name, _, text = wish.partition("=")
    try:
        value = READERS[name](text)
    except (KeyError, ValueError):
        raise _unknown(model, wish) from None
    if not 0 <= value <= MOST[name]:
        raise _unknown(model, wish)
    return name, value


def _unknown(model: str, wish: str) -> RunestoneError:
    return RunestoneError(
        Reason.PROVIDER_REFUSED,
        f"the simulated model {model[:200]!r} asks for {wish[:80]!r}; known are {', '.join(f'{name}=' for name in READERS)}",
        param="model",
        code="model_not_found",
        upstream_status=400,
    )
