"""Who cannot take a call, and what a client is told when nobody can."""

import pytest
from routing.candidates import NOW, candidate, route_of

from chassis.config.models import Feature
from chassis.errors import Reason, RunestoneError
from provider_svc.routing import Needs, rank
from provider_svc.routing.obstacles import LACKS

NEEDS = Needs(frozenset({"vision", "tools"}), 12_400, 400)
MUTE, LIGHT = candidate("mute", speaks=False), candidate("light", weight=0)
BLIND, SMALL = candidate("blind", lacks=["vision"]), candidate("small", context_window=8_000)


def exclude(*candidates, needs=NEEDS):
    ranking = rank(route_of(candidates), candidates, needs, b"", lambda: 0.0, NOW)
    return {target.model: why for target, why in ranking.excluded}


def refuse(*candidates):
    with pytest.raises(RunestoneError) as error:
        exclude(*candidates)
    return error.value


def test_each_target_that_cannot_has_its_sentence():
    assert exclude(MUTE, LIGHT, BLIND, SMALL, candidate("able", context_window=12_400, lacks=["audio"])) == {
        "mute": "does not have this endpoint",
        "light": "weight 0",
        "blind": "does not take images",
        "small": "holds 8,000 tokens, about 12,400 are needed",
    }


def test_all_that_is_lacking_is_said():
    assert exclude(candidate("able"), candidate("poor", lacks=["vision", "tools", "audio"]))["poor"] == (
        "does not use tools, does not take images"
    )


def test_what_is_not_asked_for_may_be_lacking():
    assert exclude(BLIND, SMALL, needs=Needs(frozenset({"tools"}), 8_000)) == {}
    assert exclude(BLIND, SMALL, needs=None) == {}


def test_every_feature_has_its_sentence():
    assert set(LACKS) == set(Feature.__args__)


@pytest.mark.parametrize(
    ("candidates", "reason", "code", "said"),
    [
        ([], Reason.MODEL_NOT_FOUND, "", "no route answers"),
        ([LIGHT], Reason.MODEL_NOT_FOUND, "", "weight 0"),
        ([LIGHT, MUTE], Reason.INVALID_REQUEST, "unsupported_endpoint", "does not have this endpoint"),
        ([LIGHT, MUTE, BLIND], Reason.INVALID_REQUEST, "unsupported_feature", "it does not take images"),
        ([BLIND, BLIND], Reason.INVALID_REQUEST, "unsupported_feature", "it does not take images"),
        ([SMALL], Reason.INVALID_REQUEST, "context_length_exceeded", "it holds 8,000 tokens, about 12,400 are needed"),
        ([BLIND, SMALL], Reason.INVALID_REQUEST, "context_length_exceeded", "images; another holds 8,000 tokens"),
    ],
)
def test_a_client_is_told_what_nobody_can(candidates, reason, code, said):
    """The most particular reason; never which providers there are."""
    error = refuse(*candidates)
    assert (error.reason, error.code or "") == (reason, code)
    assert said in error.message
    assert "'fast'" in error.message
