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


def fell_silent(name: str, timeouts: Timeouts, *, has_begun: bool) -> RunestoneError:
    """PROVIDER_TIMEOUT for an answer whose body did not begin in time, or did not go on."""
    if has_begun:
        return timed_out(name, f"sent nothing for {timeouts.idle:g} s (idle timeout)")
    return timed_out(name, f"sent nothing of its answer's body within {timeouts.first_byte:g} s (first-byte timeout)")


def patience_for_head(timeouts: Timeouts) -> tuple[float, str]:
    """Seconds from a call's begin within which the answer's head must be there, and the name of what bounds them."""
    bounds = [(timeouts.first_byte, "first-byte"), (timeouts.total, "total")]
    if timeouts.header is not None:
        bounds.insert(0, (timeouts.header, "header"))
    return min(bounds, key=lambda bound: bound[0])


def _too_slow_to_begin(name: str, fault: Exception, timeouts: Timeouts) -> RunestoneError:
    patience, which = patience_for_head(timeouts)
    if isinstance(fault, ConnectTimeout) and timeouts.connect <= patience:
        return timed_out(name, f"{fault} within {timeouts.connect:g} s (connect timeout)")
    return timed_out(name, f"did not begin to answer within {patience:g} s ({which} timeout)")
