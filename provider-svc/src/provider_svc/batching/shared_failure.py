"""What a failure of several calls together is to each of them. Pure."""

import re

from chassis.errors import Reason, RunestoneError

# Failures that are told in the provider's words. Those may quote an input, and it was not this call's alone.
QUOTING = frozenset({Reason.PROVIDER_RATE_LIMITED, Reason.PROVIDER_OVERLOADED, Reason.PROVIDER_FAILED})

_is_code = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch


def share(error: RunestoneError, calls: int) -> RunestoneError:
    """A failure of its own for one of `calls`: reason, status and hint are the provider's; its words are, where they are of no call's input."""
    message = error.message
    if error.reason in QUOTING and error.upstream_status:
        message = f"the provider failed {calls} calls that were asked together (HTTP {error.upstream_status})"
    return RunestoneError(
        error.reason,
        message,
        retry_after=error.retry_after,
        code=error.code if _is_code(error.code) else "",
        upstream_status=error.upstream_status,
        may_have_begun=error.may_have_begun,
    )
