"""What surrounds an rpc at its caller: a span, and how long it took until its end."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from chassis.clock import Clock
from chassis.context import current
from chassis.conventions import describe_rpc
from chassis.errors import CODES, RunestoneError
from chassis.metric_families import Histogram
from chassis.tracing import NO_SPAN, Tracing

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Observer(NamedTuple):
    """Where the rpcs of one channel are noted."""

    tracing: Tracing
    clock: Clock
    durations: Histogram | None
    peer: str


class Hop:
    """A context around one rpc. The next hop's trace is what is bound within."""

    __slots__ = ("_method", "_observer", "_recording", "_span", "_started")

    def __init__(self, observer: Observer, method: str) -> None:
        self._observer = observer
        self._method = method

    def __enter__(self) -> None:
        observer = self._observer
        self._span: Span | None = None
        self._recording: AbstractContextManager[Span | None] = NO_SPAN
        self._started = observer.clock.monotonic()
        if observer.tracing.is_sampling():
            self._recording = observer.tracing.span(self._method, kind="client", attributes=describe_rpc(self._method))
            self._span = self._recording.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        observer = self._observer
        code = "OK" if error is None else code_of(error)
        if observer.durations is not None:
            seconds = observer.clock.monotonic() - self._started
            spent = observer.durations.labels(observer.peer, self._method, code)
            spent.observe(seconds)
            if self._span is not None:
                spent.exemplify(seconds, current().trace)
        if self._span is not None:
            observer.tracing.describe(self._span, {"rpc.response.status_code": code})
            self._recording.__exit__(kind, error, trace)


def code_of(error: BaseException) -> str:
    """The gRPC status that an rpc ends with which raised `error`."""
    if isinstance(error, RunestoneError):
        return CODES[error.reason].name
    return "UNKNOWN" if isinstance(error, Exception) else "CANCELLED"
