"""An audit record as a line of JSON."""

import msgspec

from chassis.errors import Reason
from launcher.cli.audit_record import describe_record
from runestone.audit.v1.audit_pb2 import AuditRecord
from runestone.common.v1.attempt_pb2 import Attempt
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage


def line(**members: object) -> dict[str, object]:
    """As whoever reads the pipe gets it."""
    return msgspec.json.decode(msgspec.json.encode(describe_record(AuditRecord(request_id="req_1", **members))))


def test_a_cost_is_in_dollars_and_says_whether_it_was_estimated():
    assert (line(cost=Cost(nano_usd=123_456))["cost_usd"], line(cost=Cost())["cost_usd"]) == (0.000123456, 0)
    assert line(cost=Cost())["cost_is_estimated"] is False
    assert line(cost=Cost(is_estimated=True))["cost_is_estimated"] is True


def test_what_is_not_known_is_null():
    record = line()
    assert (record["cost_usd"], record["cost_is_estimated"], record["usage"]) == (None, None, None)


def test_usage_says_whether_it_was_estimated():
    counted = line(usage=Usage(input_tokens=1))["usage"]
    estimated = line(usage=Usage(input_tokens=1, is_estimated=True))["usage"]
    assert (counted["is_estimated"], estimated["is_estimated"]) == (None, True)
    assert (counted["input_tokens"], counted["output_tokens"]) == (1, None)


def test_the_way_of_a_call_and_every_attempt_that_failed_are_told():
    attempt = Attempt(provider="fake", model="m", why="weighted", reason=Reason.PROVIDER_TIMEOUT.number)
    attempt.duration.FromMilliseconds(1500)
    record = line(route="smart", why="failover", experiment="tone", arm="new", failed_attempts=[attempt, Attempt()])
    assert [record[name] for name in ("route", "why", "experiment", "arm")] == ["smart", "failover", "tone", "new"]
    assert record["failed_attempts"] == [
        {"provider": "fake", "model": "m", "why": "weighted", "error_reason": "PROVIDER_TIMEOUT", "duration_ms": 1500},
        {"provider": "", "model": "", "why": "", "error_reason": None, "duration_ms": None},
    ]


def test_members_that_were_dropped_are_listed():
    assert line(dropped=["top_k", "messages[2].cache_control"])["dropped"] == ["top_k", "messages[2].cache_control"]
