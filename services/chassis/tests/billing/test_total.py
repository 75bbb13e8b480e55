"""What several calls used together."""

from chassis.billing.total import COUNTS, add_up
from runestone.common.v1.usage_pb2 import Usage


def test_every_count_of_a_usage_is_added_up():
    assert {field.name for field in Usage.DESCRIPTOR.fields} == {*COUNTS, "is_estimated"}


def test_counts_are_added_and_what_nobody_reported_stays_unreported():
    total = add_up(Usage(input_tokens=3, output_tokens=0), None, Usage(input_tokens=4, cache_read_input_tokens=2))
    assert total == Usage(input_tokens=7, output_tokens=0, cache_read_input_tokens=2)


def test_it_is_estimated_where_any_of_it_is():
    estimated = Usage(input_tokens=1, is_estimated=True)
    assert add_up(Usage(input_tokens=1), estimated) == Usage(input_tokens=2, is_estimated=True)


def test_the_sum_is_a_message_of_its_own():
    one = Usage(input_tokens=1)
    total = add_up(one)
    total.input_tokens = 9
    assert one.input_tokens == 1
