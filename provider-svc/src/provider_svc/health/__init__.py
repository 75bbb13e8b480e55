"""How targets are: what their calls came to, and whether more go there. Pure: times come in, in seconds of one monotonic clock.

`outcome` reads an ended call, `breaker` and `ejection` judge by it, `latency` knows how soon answers begin, `target` puts them together,
`book` has all of them; `budget` bounds what is asked beside the first.
"""

from provider_svc.health.book import HealthBook
from provider_svc.health.breaker import State
from provider_svc.health.budget import Budget
from provider_svc.health.outcome import Outcome, outcome_of
from provider_svc.health.target import TargetHealth

__all__ = ["Budget", "HealthBook", "Outcome", "State", "TargetHealth", "outcome_of"]
