"""Why a target cannot answer a call at all, whatever its health. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chassis.config.catalog import Route
from chassis.config.models import Feature, Target
from chassis.errors import Reason, RunestoneError
from provider_svc.routing.candidate import Candidate
from provider_svc.routing.needs import Needs
from provider_svc.routing.routes import unspoken

UNSPOKEN, WEIGHTLESS = "unsupported_endpoint", "weightless"
FEATURELESS, TOO_SMALL = "unsupported_feature", "context_length_exceeded"

LACKS: Mapping[Feature, str] = {
    "tools": "does not use tools",
    "vision": "does not take images",
    "audio": "does not take or make audio",
    "documents": "does not take documents",
    "structured": "does not answer by a JSON Schema",
    "thinking": "does not think",
}


class Obstacle(NamedTuple):
    """`code`: which of the four; `why`: a sentence without its subject, which is the target."""

    code: str
    why: str


def find_obstacle(candidate: Candidate, needs: Needs | None) -> Obstacle | None:
    """What keeps a call with these needs from a target; None when it can be asked."""
    target = candidate.target
    if not candidate.speaks:
        return Obstacle(UNSPOKEN, "does not have this endpoint")
    if not target.weight:
        return Obstacle(WEIGHTLESS, "weight 0")
    return _find_lack(target, needs) if needs is not None else None


def _find_lack(target: Target, needs: Needs) -> Obstacle | None:
    if target.lacks and (missing := needs.features.intersection(target.lacks)):
        return Obstacle(FEATURELESS, ", ".join(LACKS[feature] for feature in sorted(missing)))
    if target.context_window is not None and needs.tokens > target.context_window:
        return Obstacle(TOO_SMALL, f"holds {target.context_window:,} tokens, about {needs.tokens:,} are needed")
    return None


def refusal(route: Route, obstacles: Sequence[Obstacle]) -> RunestoneError:
    """What a client is told when there is one before each target. INVALID_REQUEST where another request could be answered: one
    that needs less, else one at another endpoint. MODEL_NOT_FOUND where none could."""
    codes = {obstacle.code for obstacle in obstacles}
    for code in (TOO_SMALL, FEATURELESS):
        if code in codes:
            sentences = dict.fromkeys(found.why for found in obstacles if found.code in {TOO_SMALL, FEATURELESS})
            message = f"no target of {route.name!r} can take this request: it {'; another '.join(sentences)}"
            return RunestoneError(Reason.INVALID_REQUEST, message, param="model", code=code)
    if UNSPOKEN in codes:
        return unspoken(route.name)
    message = f"every target of {route.name!r} has weight 0" if codes else f"no route answers for {route.name!r}"
    return RunestoneError(Reason.MODEL_NOT_FOUND, message, param="model")
