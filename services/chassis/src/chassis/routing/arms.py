"""Which arm of an experiment a unit is in: a hash decides, so that it is the same everywhere and nothing has to be remembered. Pure."""

from collections.abc import Sequence

from chassis.config.models import Arm, Experiment
from chassis.hashing import hash_parts


def choose_arm(experiment: Experiment, unit: Sequence[str]) -> Arm:
    """The arm of a unit: the same as long as the experiment's name, arms and weights are, whatever other experiments there are. Arms
    of weight 0 get nobody."""
    weights = [arm.weight for arm in experiment.arms]
    place = draw(experiment.name, unit) * sum(weights)
    reached = 0
    for arm, weight in zip(experiment.arms, weights, strict=True):
        reached += weight
        if place < reached:
            return arm
    raise AssertionError("the configuration has an experiment without weight")


def draw(experiment: str, unit: Sequence[str]) -> float:
    """A number from 0 up to 1, exclusive, evenly distributed over units. Parts count with their lengths: no choice of names makes two
    units one."""
    digest = hash_parts([text.encode("utf-8", "surrogatepass") for text in (experiment, *unit)])
    return (int.from_bytes(digest[:8]) >> 11) / (1 << 53)
