"""What every piece of work in the mesh carries with it: its deadline, its place in a trace, its snapshot's version.

Bound once where a call enters a process (the edge's door, the chassis' server), read wherever a hop is made.
"""

from contextvars import ContextVar
from typing import NamedTuple


class TraceContext(NamedTuple):
    """Where in which trace we are: 32 and 16 hex digits, and whether spans are recorded; `state` is what other tracers have to say of it,
    a W3C `tracestate` that is passed on as it came."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    @property
    def traceparent(self) -> str:
        """The W3C header."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


NO_TRACE = TraceContext("0" * 32, "0" * 16, sampled=False)


class CallContext(NamedTuple):
    """One call's context in this process. `deadline` is a `Clock.monotonic` time; None for work without one. `version` is that
    of the snapshot which the call began with; empty where it carries none."""

    trace: TraceContext = NO_TRACE
    deadline: float | None = None
    version: str = ""


NO_CALL = CallContext()
_current: ContextVar[CallContext] = ContextVar("runestone_call", default=NO_CALL)


def bind(call: CallContext) -> None:
    """Makes `call` the context of the running task and of tasks it starts from now on."""
    _current.set(call)


def current() -> CallContext:
    """The running task's context; one without deadline or trace for background work."""
    return _current.get()
