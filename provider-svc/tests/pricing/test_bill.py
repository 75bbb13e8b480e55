"""What a call has come to, whole or not."""

import msgspec
import pytest

from chassis.billing.estimate import Passed
from chassis.billing.price import FREE
from provider_svc.pricing.bill import NOTHING, Bill, Owed
from provider_svc.provider import Meter, UpstreamCall
from runestone.common.v1.cost_pb2 import Cost, Rates, Tariff
from runestone.common.v1.usage_pb2 import Usage

MILLI = Rates(tariffs=[Tariff(input=1_000_000, output=2_000_000)])  # a billionth a token read, two a token written
SAID = b'data: {"choices": [{"delta": {"content": "12345678"}}]}\n\n'


class OnePrice:
    def __init__(self, rates):
        self.rates = rates
        self.asked = 0

    def find(self, model):
        self.asked += 1
        return self.rates


def bill_of(meter=None, *, rates=MILLI, stream=True, **options):
    members = {"messages": msgspec.Raw(b"x" * 40)}
    call = UpstreamCall(call_id="c", model="m", stream=stream, members=members, meter=meter or Meter(), **options)
    return Bill(call, OnePrice(rates))


def two_events() -> Passed:
    passed = Passed()
    passed.add(SAID * 2)
    return passed


def test_a_whole_answer_costs_what_the_provider_counted():
    usage = Usage(input_tokens=5, output_tokens=10)
    assert bill_of(Meter(usage, "stop")).close() == Owed(usage, Cost(nano_usd=25))


def test_a_whole_answer_that_nobody_counted_has_no_cost():
    assert bill_of(Meter(None, "stop")).close() == NOTHING


def test_a_price_that_is_not_known_is_no_cost():
    usage = Usage(input_tokens=5, output_tokens=10)
    assert bill_of(Meter(usage), rates=None).close() == Owed(usage, None)


def test_what_is_free_costs_nothing_also_where_nobody_counted():
    assert bill_of(Meter(None, "stop"), rates=FREE).close() == Owed(None, Cost(nano_usd=0))


def test_what_passed_of_a_stream_is_estimated():
    usage = Usage(input_tokens=10, output_tokens=4, is_estimated=True)
    assert bill_of().estimate(two_events()) == Owed(usage, Cost(nano_usd=18, is_estimated=True))


def test_what_the_provider_counted_on_the_way_stands():
    bill = bill_of(Meter(Usage(input_tokens=100, output_tokens=1)))
    usage = Usage(input_tokens=100, output_tokens=4, is_estimated=True)
    assert bill.estimate(two_events()) == Owed(usage, Cost(nano_usd=108, is_estimated=True))


def test_a_stream_that_breaks_behind_its_usage_is_not_estimated():
    """All was counted; only `[DONE]` is missing."""
    usage = Usage(input_tokens=5, output_tokens=1)
    assert bill_of(Meter(usage, "stop")).estimate(two_events()) == Owed(usage, Cost(nano_usd=7))


@pytest.mark.parametrize("options", [{"stream": False}, {"form": b"--x"}])
def test_what_is_no_stream_of_text_is_not_estimated(options):
    """Of a document that broke off, nobody knows what stood in the rest."""
    assert bill_of(**options).estimate(Passed()) == NOTHING


def test_a_document_that_is_a_stream_upstream_is_billed_as_one():
    """A translated one: the client was sent nothing of what broke off, and yet it was written."""
    usage = Usage(input_tokens=10, output_tokens=4, is_estimated=True)
    bill = bill_of(Meter(passed=two_events()), stream=False)
    assert bill.estimate(Passed()) == Owed(usage, Cost(nano_usd=18, is_estimated=True))


def test_the_price_is_asked_for_once_a_call():
    bill = bill_of(Meter(Usage(input_tokens=1, output_tokens=1)))
    assert bill.rates is bill.rates is MILLI
    bill.close()
    assert bill._prices.asked == 1


def test_what_is_counted_on_the_way_is_news_until_all_is_counted():
    usage = Usage(input_tokens=1)
    assert [bill_of().news, bill_of(Meter(usage)).news, bill_of(Meter(usage, "stop")).news] == [None, usage, None]
