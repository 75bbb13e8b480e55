"""The one error type that crosses borders, and its one table to and from gRPC.

Domain code raises `RunestoneError`; `chassis.server` turns it into a google.rpc.Status with ErrorInfo and RetryInfo
(https://google.aip.dev/193), `chassis.client` turns that back, so that a caller catches what the callee raised.
"""

import enum

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runestone.common.v1 import error_pb2

DOMAIN = "runestone"
DETAILS_KEY = "grpc-status-details-bin"
NOT_BEGUN = "no"


class _NamedEnum(enum.StrEnum):
    """A string enum whose values are its members' names."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[str]) -> str:  # noqa: ARG004
        return name


class Reason(_NamedEnum):
    """Why something was refused or failed: `runestone.common.v1.ErrorReason` without its prefix."""

    INVALID_REQUEST = enum.auto()
    AUTHENTICATION_FAILED = enum.auto()
    PERMISSION_DENIED = enum.auto()
    ROUTE_NOT_FOUND = enum.auto()
    MODEL_NOT_FOUND = enum.auto()
    NOT_FOUND = enum.auto()
    REQUEST_TIMEOUT = enum.auto()
    BODY_TOO_LARGE = enum.auto()
    RATE_LIMITED = enum.auto()
    OVERLOADED = enum.auto()
    CANCELLED = enum.auto()
    DEADLINE_EXCEEDED = enum.auto()
    UNAVAILABLE = enum.auto()
    LIMITER_UNAVAILABLE = enum.auto()
    AUDIT_SPOOL_FULL = enum.auto()
    PROVIDER_REFUSED = enum.auto()
    PROVIDER_RATE_LIMITED = enum.auto()
    PROVIDER_OVERLOADED = enum.auto()
    PROVIDER_FAILED = enum.auto()
    PROVIDER_CREDENTIALS_REFUSED = enum.auto()
    PROVIDER_UNREACHABLE = enum.auto()
    PROVIDER_TIMEOUT = enum.auto()
    PROVIDER_INVALID_ANSWER = enum.auto()
    PROVIDER_STREAM_CUT = enum.auto()
    EVENTS_LOST = enum.auto()
    INTERNAL = enum.auto()
    UNIMPLEMENTED = enum.auto()
    CALL_EXISTS = enum.auto()
    IDEMPOTENCY_KEY_IN_USE = enum.auto()
    IDEMPOTENCY_KEY_REUSED = enum.auto()

    @property
    def number(self) -> "error_pb2.ErrorReason.ValueType":
        """The value that stands in protobuf messages."""
        return error_pb2.ErrorReason.Value(f"ERROR_REASON_{self}")

    @classmethod
    def of_number(cls, number: "error_pb2.ErrorReason.ValueType") -> "Reason":
        """The reason with this protobuf value; INTERNAL for one that this version does not know."""
        return _BY_NUMBER.get(number, cls.INTERNAL)


_BY_NUMBER = {reason.number: reason for reason in Reason}

CODES: dict[Reason, grpc.StatusCode] = {
    Reason.INVALID_REQUEST: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.AUTHENTICATION_FAILED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.ROUTE_NOT_FOUND: grpc.StatusCode.UNIMPLEMENTED,
    Reason.MODEL_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.REQUEST_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.BODY_TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.CANCELLED: grpc.StatusCode.CANCELLED,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.LIMITER_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.AUDIT_SPOOL_FULL: grpc.StatusCode.UNAVAILABLE,
    Reason.PROVIDER_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.PROVIDER_RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.PROVIDER_OVERLOADED: grpc.StatusCode.UNAVAILABLE,
    Reason.PROVIDER_FAILED: grpc.StatusCode.UNAVAILABLE,
    Reason.PROVIDER_CREDENTIALS_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.PROVIDER_UNREACHABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.PROVIDER_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.PROVIDER_INVALID_ANSWER: grpc.StatusCode.INTERNAL,
    Reason.PROVIDER_STREAM_CUT: grpc.StatusCode.ABORTED,
    Reason.EVENTS_LOST: grpc.StatusCode.OUT_OF_RANGE,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Reason.CALL_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.IDEMPOTENCY_KEY_IN_USE: grpc.StatusCode.ABORTED,
    Reason.IDEMPOTENCY_KEY_REUSED: grpc.StatusCode.FAILED_PRECONDITION,
}

# What a status without our ErrorInfo means: it comes from gRPC itself or from a peer that is not ours.
REASONS: dict[grpc.StatusCode, Reason] = {
    grpc.StatusCode.INVALID_ARGUMENT: Reason.INVALID_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: Reason.AUTHENTICATION_FAILED,
    grpc.StatusCode.PERMISSION_DENIED: Reason.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND: Reason.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Reason.OVERLOADED,
    grpc.StatusCode.CANCELLED: Reason.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED: Reason.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNAVAILABLE: Reason.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED: Reason.UNIMPLEMENTED,
}


class RunestoneError(Exception):
    """A failure with a reason that every border of the mesh understands.

    `message` is for people: what happened and what to do; it never holds a secret. `retry_after` is in seconds, None
    where nobody knows. `param` names the request member at fault, `code` is the provider's own code, and
    `upstream_status` its HTTP status (0: it did not answer). `may_have_begun` is False where
    it is certain that nothing was done, so that the call may be sent elsewhere.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retry_after: float | None = None,
        param: str = "",
        code: str = "",
        upstream_status: int = 0,
        may_have_begun: bool = True,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.param = param
        self.code = code
        self.upstream_status = upstream_status
        self.may_have_begun = may_have_begun

    def __repr__(self) -> str:
        return f"RunestoneError({self.reason}, {self.message!r})"


def to_status(error: RunestoneError) -> Status:
    """The google.rpc.Status that carries `error` over gRPC."""
    facts = {
        "param": error.param,
        "code": error.code,
        "upstream_status": str(error.upstream_status or ""),
        "begun": "" if error.may_have_begun else NOT_BEGUN,
    }
    info = ErrorInfo(reason=error.reason, domain=DOMAIN, metadata={k: v for k, v in facts.items() if v})
    status = Status(code=CODES[error.reason].value[0], message=error.message, details=[_pack(info)])
    if error.retry_after is not None:
        hint = RetryInfo()
        hint.retry_delay.FromNanoseconds(int(error.retry_after * 1e9))
        status.details.append(_pack(hint))
    return status


def from_rpc(failure: grpc.aio.AioRpcError) -> RunestoneError:
    """What the callee raised; for statuses that are not ours, what their code means."""
    error = RunestoneError(REASONS.get(failure.code(), Reason.INTERNAL), failure.details() or failure.code().name)
    for key, value in failure.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            read_details(error, value)
    return error


def read_details(error: RunestoneError, serialized: bytes) -> None:
    """Adds to `error` what a serialized google.rpc.Status says in our own details; those of another domain leave the code's
    meaning as it is."""
    info, hint = ErrorInfo(), RetryInfo()
    for detail in Status.FromString(serialized).details:
        if detail.Unpack(info) and info.domain == DOMAIN and info.reason in Reason.__members__:
            error.reason = Reason(info.reason)
            error.param = info.metadata.get("param", "")
            error.code = info.metadata.get("code", "")
            error.upstream_status = int(info.metadata.get("upstream_status", 0))
            error.may_have_begun = error.may_have_begun and info.metadata.get("begun") != NOT_BEGUN
        elif detail.Unpack(hint):
            error.retry_after = hint.retry_delay.ToNanoseconds() / 1e9


def _pack(message: ErrorInfo | RetryInfo) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def to_message(error: RunestoneError) -> error_pb2.Error:
    """`error` as data, for the end of a stream that has already begun."""
    message = error_pb2.Error(
        reason=error.reason.number,
        message=error.message,
        param=error.param,
        code=error.code,
        upstream_status=error.upstream_status,
    )
    if error.retry_after is not None:
        message.retry_after.FromNanoseconds(int(error.retry_after * 1e9))
    return message


def from_message(message: error_pb2.Error) -> RunestoneError:
    """The error that `to_message` wrote."""
    hint = message.retry_after.ToNanoseconds() / 1e9 if message.HasField("retry_after") else None
    return RunestoneError(
        Reason.of_number(message.reason),
        message.message,
        retry_after=hint,
        param=message.param,
        code=message.code,
        upstream_status=message.upstream_status,
    )
