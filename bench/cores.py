"""Which core does what. The gateway has one to itself, so that its CPU is its own and its throughput is per core."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.refusal import NotMeasured


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Numbers as the kernel has them. With two cores, upstream and load share one."""

    gateway: int
    upstream: int
    load: int


def share_out(available: Iterable[int]) -> Cores:
    """Raises NotMeasured when there are fewer than two: load and gateway on one core measure each other."""
    cores = sorted(available)
    if len(cores) < 2:
        raise NotMeasured("needs two cores, one for the gateway and one for the load; here there is one")
    return Cores(gateway=cores[0], upstream=cores[-2] if len(cores) > 2 else cores[-1], load=cores[-1])
