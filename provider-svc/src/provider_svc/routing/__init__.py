"""Which targets answer a call, in which order, and why. Pure: the clock, health and lots come in.

`routes` finds what a public name stands for; `needs` and `unit` read what a call needs and what it sticks to; `obstacles` sorts out who
cannot take it, `strategies` order the others, `ranking` puts it together and `explanation` says it to people.
"""

from provider_svc.routing.candidate import Candidate, Choice, Health, Occasion, Ranking
from provider_svc.routing.explanation import Explanation, explain
from provider_svc.routing.needs import Needs, needs_matter, read_needs
from provider_svc.routing.ranking import rank
from provider_svc.routing.routes import find_route, find_target_at, unspoken
from provider_svc.routing.unit import read_unit

__all__ = [
    "Candidate", "Choice", "Explanation", "Health", "Needs", "Occasion", "Ranking",
    "explain", "find_route", "find_target_at", "needs_matter", "rank", "read_needs", "read_unit",
    "unspoken",
]  # fmt: skip
