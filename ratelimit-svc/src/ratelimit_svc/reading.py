"""What callers send, checked: protobuf to limits, asks and leftovers. Raises INVALID_REQUEST with the member at fault."""

from collections.abc import Sequence

from chassis.errors import Reason, RunestoneError
from chassis.ids import NewId
from ratelimit_svc.lease import MAX_CALLS, MAX_UNITS, Ask, Leftover
from ratelimit_svc.limit import Limit, make_limit
from runestone.ratelimit.v1 import ratelimit_pb2

MAX_LIMITS = 32


def read_limits(messages: Sequence[ratelimit_pb2.Limit]) -> list[Limit]:
    """Raises for a limit that makes no sense, for one that stands twice, and for too many."""
    _check_number(messages, "limits")
    limits: dict[bytes, Limit] = {}
    for index, message in enumerate(messages):
        limit = _read_limit(message, f"limits[{index}]")
        if limit.key in limits:
            raise _senseless(f"limits[{index}]", "the limit has the subject and name of one before it")
        limits[limit.key] = limit
    return list(limits.values())


def read_calls(calls: int) -> int:
    """How many calls wait; raises for too many."""
    if calls > MAX_CALLS:
        raise _senseless("calls", f"{calls} calls are more than the {MAX_CALLS} that one request may be for")
    return calls


def read_asks(messages: Sequence[ratelimit_pb2.AskedLimit], new_lease_id: NewId) -> list[Ask]:
    """Raises as `read_limits`, and for a limit of which too much is asked, by each call or ahead."""
    limits = read_limits([message.limit for message in messages])
    for index, (limit, message) in enumerate(zip(limits, messages, strict=True)):
        if limit.amount != 1:
            raise _senseless(f"limits[{index}].amount", "a call that asks for units ahead uses one unit")
        _check_units(message.ahead, f"limits[{index}].ahead")
    return [Ask(limit, message.ahead, new_lease_id()) for limit, message in zip(limits, messages, strict=True)]


def read_leftovers(messages: Sequence[ratelimit_pb2.Leftover]) -> list[Leftover]:
    """Raises for a limit that makes no sense, for too many units, and for too many leftovers."""
    _check_number(messages, "leftovers")
    return [_read_leftover(message, f"leftovers[{index}]") for index, message in enumerate(messages)]


def _read_leftover(message: ratelimit_pb2.Leftover, path: str) -> Leftover:
    _check_units(message.units, f"{path}.units")
    return Leftover(message.lease_id, _read_limit(message.limit, f"{path}.limit"), message.units)


def _read_limit(message: ratelimit_pb2.Limit, path: str) -> Limit:
    try:
        return make_limit(
            message.subject,
            message.name,
            quantity=message.quantity,
            period=message.period.ToMicroseconds(),
            burst=message.burst,
            amount=message.amount,
        )
    except RunestoneError as error:
        error.param = f"{path}.{error.param}"
        raise


def _check_number(messages: Sequence[object], param: str) -> None:
    if len(messages) > MAX_LIMITS:
        raise _senseless(param, f"{len(messages)} {param} are more than the {MAX_LIMITS} that one request may have")


def _check_units(units: int, param: str) -> None:
    if units > MAX_UNITS:
        raise _senseless(param, f"{units} units are more than the {MAX_UNITS} that one lease may have")


def _senseless(param: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)
