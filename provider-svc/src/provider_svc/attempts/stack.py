"""The order of what stands around an upstream call, on one screen.

A call's deadline is its flight's, and ends everything below. Around a target stand, from the inside out:

    kind         one upstream call, over the provider's connections         provider_svc/openai, anthropic, simulated
    Keyed        which key; how many calls at once with it                  provider_svc/keys
    Batching     embeddings and the like, several in one                    provider_svc/batching
    Translating  any dialect of conversations                               provider_svc/translating.py

and around a route, for each call:

    ToTarget     where to; breaker and ejection see how it went
    Hedging      a second target when the first takes too long to begin
    Retrying     the next target, or the same once more, within the budget
    FallingBack  the next route
    Continuing   a stream that broke off goes on elsewhere

What is the client's already is never asked again, except by the last.
"""

from chassis.clock import Clock
from chassis.config.models import Model
from provider_svc.attempts.asking import Asking
from provider_svc.attempts.continuing import Continuing
from provider_svc.attempts.falling_back import FallingBack
from provider_svc.attempts.hedging import Hedging
from provider_svc.attempts.retrying import Retrying
from provider_svc.attempts.to_target import ToTarget
from provider_svc.health.budget import Budget
from provider_svc.telemetry import Telemetry

# Upstream calls behind failures: of a thousand calls at most a fifth, those included that may be made before any were earned.
EXTRA_SHARE, EXTRA_RESERVE, MOST_EXTRA = 0.19, 10, 100


def stack(entry: Model, telemetry: Telemetry, clock: Clock) -> Asking:
    """What stands around the upstream calls of one route; what it does not use is left out. Its budgets are its own."""
    target = ToTarget(telemetry, clock)
    budget = Budget(share=EXTRA_SHARE, reserve=EXTRA_RESERVE, most=MOST_EXTRA)
    hedged = Hedging(target, entry.hedging, telemetry, clock) if entry.hedging is not None else target
    asking: Asking = Retrying(hedged, budget, telemetry, clock)
    if entry.fallbacks:
        asking = FallingBack(asking, budget, telemetry)
    if entry.continue_streams:
        asking = Continuing(asking, budget, telemetry, clock)
    return asking
