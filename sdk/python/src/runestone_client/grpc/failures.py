"""How an rpc that failed, and an answer that ended early, are said as exceptions."""

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runestone.common.v1.error_pb2 import Error, ErrorReason
from runestone_client.errors import ConnectionLostError, GatewayError, ReplyTimeoutError, RunestoneError, make_error
from runestone_client.grpc.reasons import read_status

DETAILS = "grpc-status-details-bin"
PREFIX = "ERROR_REASON_"
# What gRPC itself says where no gateway did.
LOST = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}


def read_failure(error: grpc.aio.AioRpcError) -> RunestoneError:
    """A GatewayError where the gateway refused it; else ConnectionLostError, which may be one of an edge that died, or ReplyTimeoutError."""
    info, hint = _read_details(error)
    message = error.details() or error.code().name
    if info.reason:
        pause = hint.retry_delay.ToTimedelta().total_seconds() if hint.HasField("retry_delay") else None
        return _make(
            info.reason, message, code=info.metadata.get("code"), param=info.metadata.get("param"), retry_after=pause
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ReplyTimeoutError(message, may_have_run=True)
    if error.code() in LOST:
        return ConnectionLostError(message, may_have_run=True)
    return GatewayError(message)


def read_error(error: Error) -> GatewayError:
    """Of an answer that had begun."""
    reason = ErrorReason.Name(error.reason).removeprefix(PREFIX)
    pause = error.retry_after.ToTimedelta().total_seconds() if error.HasField("retry_after") else None
    return _make(reason, error.message, code=error.code or None, param=error.param or None, retry_after=pause)


def _make(reason: str, message: str, *, code: str | None, param: str | None, retry_after: float | None) -> GatewayError:
    status = read_status(reason)
    return make_error(message, status, reason=reason.lower(), code=code, param=param, retry_after=retry_after)


def _read_details(error: grpc.aio.AioRpcError) -> tuple[ErrorInfo, RetryInfo]:
    info, hint = ErrorInfo(), RetryInfo()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS and isinstance(value, bytes):
            for detail in Status.FromString(value).details:
                detail.Unpack(info) or detail.Unpack(hint)
    return info, hint
