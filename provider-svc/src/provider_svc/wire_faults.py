"""What goes wrong on the way to a provider, in the mesh's words. Messages name the provider, never its address."""

from chassis.config.providers import Timeouts
from chassis.errors import Reason, RunestoneError
from provider_svc.http1.faults import ClosedEarly, ConnectTimeout, Malformed, NotConnected, QueueFull, WireFault


def failure_to_begin(name: str, fault: Exception, timeouts: Timeouts) -> RunestoneError:
    """What `fault` means before an answer has begun."""
    if isinstance(fault, TimeoutError | ConnectTimeout):
        return _too_slow_to_begin(name, fault, timeouts)
    match fault:
        case NotConnected():
            return RunestoneError(Reason.PROVIDER_UNREACHABLE, f"cannot connect to provider {name}: {fault}")
        case ClosedEarly():
            message = f"provider {name} closed the connection before it answered"
            return RunestoneError(Reason.PROVIDER_UNREACHABLE, message)
        case QueueFull():
            return RunestoneError(Reason.OVERLOADED, f"provider {name}: {fault}", retry_after=1.0, may_have_begun=False)
        case ValueError():
            message = f"no request can be sent to provider {name}: {fault}; the operator must check its settings"
            return RunestoneError(Reason.PROVIDER_UNREACHABLE, message)
        case _:
            return invalid(name, fault)


def failure_within(name: str, fault: WireFault) -> RunestoneError:
    """What `fault` means in the middle of an answer."""
    if isinstance(fault, Malformed):
        return invalid(name, fault)
    message = f"provider {name} closed the connection before the end of its answer"
    return RunestoneError(Reason.PROVIDER_STREAM_CUT, message)


def invalid(name: str, fault: Exception) -> RunestoneError:
    """PROVIDER_INVALID_ANSWER for what is not HTTP; `fault` says what is wrong."""
    message = f"provider {name} answered with something that is not HTTP as announced: {fault}"
    return RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message)


def timed_out(name: str, what: str) -> RunestoneError:
    """PROVIDER_TIMEOUT; `what` says what the provider did not do, and which timeout that was."""
    return RunestoneError(Reason.PROVIDER_TIMEOUT, f"provider {name} {what}")


def _too_slow_to_begin(name: str, fault: Exception, timeouts: Timeouts) -> RunestoneError:
    patience = min(timeouts.first_byte, timeouts.total)
    if isinstance(fault, ConnectTimeout) and timeouts.connect <= patience:
        return timed_out(name, f"{fault} within {timeouts.connect:g} s (connect timeout)")
    return timed_out(name, f"did not begin to answer within {patience:g} s (first-byte timeout)")
