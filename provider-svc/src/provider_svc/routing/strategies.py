"""In which order the targets of one priority are asked, by the name of the route's strategy. Pure.

Each gives a full order, not a choice: what fails at the first goes to the second. All of the candidates have weight.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Protocol

from chassis.billing.price import price
from chassis.config import models
from provider_svc.routing.candidate import C, Candidate, Occasion
from runestone.common.v1.usage_pb2 import Usage


class Order(Protocol):
    """Orders candidates of one priority for a call."""

    def __call__(self, candidates: Sequence[C], occasion: Occasion, /) -> list[C]:
        """All of them, in the order in which they are asked."""


USUAL_OUTPUT = 500  # tokens of an answer, as far as its bound lets it be so long: bounds are far above what is written
USUAL_INPUT = 1_000  # tokens of a call of which nothing is known


def weighted(candidates: Sequence[C], occasion: Occasion) -> list[C]:
    """At random: the first place by the weights, the second by those of the rest, and so on."""
    left, order = list(candidates), []
    while len(left) > 1:
        bounds = list(accumulate([candidate.target.weight for candidate in left]))
        order.append(left.pop(bisect_right(bounds, occasion.draw() * bounds[-1], hi=len(left) - 1)))
    return order + left


def least_in_flight(candidates: Sequence[C], occasion: Occasion) -> list[C]:
    """By the calls that run there for each unit of weight; of equals at random, by weight."""
    return sorted(weighted(candidates, occasion), key=measure_load)


def peak_ewma(candidates: Sequence[C], occasion: Occasion) -> list[C]:
    """By the time until an answer begins, times the calls that would share it. The first is the better one of two at random, so that not
    all replicas run to the same target at once (Mitzenmacher, The Power of Two Choices; Finagle's peak EWMA)."""
    draw, now = occasion.draw, occasion.now
    order = sorted(candidates, key=lambda candidate: (*measure_wait(candidate, now), draw()))
    if len(order) > 2:  # of two, the better one is the first already
        one, other = int(draw() * len(order)), int(draw() * (len(order) - 1))
        order.insert(0, order.pop(min(one, other)))  # were `other` counted past `one`, `one` would be the better still
    return order


def cheapest(candidates: Sequence[C], occasion: Occasion) -> list[C]:
    """By what the call would cost, those whose price is not known last; of equals at random, by weight."""
    usage = expect_usage(occasion)
    return sorted(weighted(candidates, occasion), key=lambda candidate: measure_cost(candidate, usage))


def sticky(candidates: Sequence[C], occasion: Occasion) -> list[C]:
    """The same order for the same unit, whoever is asked: weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights as in
    Resch and others 2015). A target that comes or goes moves the units that it owns, and no others."""
    return sorted(candidates, key=lambda candidate: _measure_distance(candidate, occasion.unit))


STRATEGIES: Mapping[models.Strategy, Order] = {
    "weighted": weighted,
    "least_in_flight": least_in_flight,
    "peak_ewma": peak_ewma,
    "cheapest": cheapest,
    "sticky": sticky,
}


def measure_load(candidate: Candidate) -> float:
    """Calls that run there, for each unit of weight."""
    return candidate.health.running / candidate.target.weight


def measure_wait(candidate: Candidate, now: float) -> tuple[bool, float]:
    """How long an answer of it lets wait, to compare. Who has never answered is tried at once, but until that answer begins by nobody
    else while others can: the flag puts it last."""
    health, weight = candidate.health, candidate.target.weight
    first_byte = health.first_byte(now)
    if first_byte is None:
        return health.running > 0, measure_load(candidate)
    return False, first_byte * (health.running + 1) / weight


def expect_usage(occasion: Occasion) -> Usage:
    """What the call will probably use."""
    needs = occasion.needs
    if needs is None:
        return Usage(input_tokens=USUAL_INPUT, output_tokens=USUAL_OUTPUT)
    written = min(needs.may_write, USUAL_OUTPUT) if needs.may_write else USUAL_OUTPUT
    return Usage(input_tokens=needs.tokens - needs.may_write, output_tokens=written)


def measure_cost(candidate: Candidate, usage: Usage) -> float:
    """Billionths of a dollar; infinity where no price is known."""
    rates = candidate.find_rates()
    cost = price(rates, usage) if rates is not None else None
    return math.inf if cost is None else cost


def _measure_distance(candidate: Candidate, unit: bytes) -> float:
    """Exponentially distributed with the weight as its rate: so the share of units that are nearest to a target is its weight's."""
    target = candidate.target
    digest = blake2b(f"{target.provider}/{target.model}".encode(), digest_size=8, key=unit).digest()
    uniform = ((int.from_bytes(digest) >> 12) + 0.5) / (1 << 52)  # in (0, 1), both ends excluded
    return -math.log(uniform) / target.weight
