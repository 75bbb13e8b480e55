"""What a session used, read in passing."""

import json

import pytest

from chassis.billing.price import FREE
from provider_svc.realtime.metering import Metering
from runestone.common.v1.cost_pb2 import Rates, Tariff

RATES = Rates(tariffs=[Tariff(input=1_000_000_000, cached_input=100_000_000, output=2_000_000_000)])


def event(kind: str, **members: object) -> bytes:
    return json.dumps({"type": kind, **members}).encode()


def done(**usage: object) -> bytes:
    return event("response.done", response={"usage": usage})


def test_responses_add_up():
    metering = Metering(RATES)
    assert metering.see(done(input_tokens=10, output_tokens=1, input_token_details={"cached_tokens": 5}))
    assert metering.see(done(input_tokens=20, output_tokens=2))
    usage = metering.usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (30, 3, 5)
    assert metering.cost.nano_usd == 25 * 1000 + 5 * 100 + 3 * 2000


@pytest.mark.parametrize("details", ["input_token_details", "output_token_details"])
def test_sound_has_no_cost_that_is_known(details):
    """Its tokens have prices of their own; a wrong cost is worse than none. It does not come back with later texts."""
    metering = Metering(RATES)
    metering.see(done(input_tokens=10, output_tokens=1, **{details: {"audio_tokens": 3}}))
    metering.see(done(input_tokens=10, output_tokens=1))
    assert metering.usage.input_tokens == 20
    assert metering.cost is None


def test_what_is_free_costs_nothing():
    metering = Metering(FREE)
    metering.see(done(input_tokens=1, output_tokens=1))
    assert metering.cost.nano_usd == 0


@pytest.mark.parametrize(
    "text",
    [
        event("conversation.item.added", item={"text": "response.done"}),
        event("response.done"),
        event("response.done", response=None),
        event("response.done", response={"usage": None}),
        done(input_tokens="many"),
        b'"response.done"',
        b"response.done {",
        b"\xff response.done",
    ],
)
def test_what_tells_of_no_usage_counts_nothing(text):
    """Whoever says something like it in a text is not billed for it, and nothing that a provider sends breaks a session."""
    metering = Metering(RATES)
    assert not metering.see(text)
    assert metering.usage is None


def test_a_session_begins_with_the_providers_word_and_no_other():
    metering = Metering(None)
    metering.see(event("error", message="session.created was not"))
    assert not metering.is_created
    metering.see(event("session.created"))
    assert metering.is_created
