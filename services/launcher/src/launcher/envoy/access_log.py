"""The access log: a JSON object a line. A query string may hold a key, so paths are without it; headers that hold credentials are not
named here at all. Pure."""

from launcher.envoy.anytype import extension
from launcher.envoy.site import Document

FIELDS: Document = {
    "time": "%START_TIME%",
    "listener": "",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS(SNAKE_STRING)%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "request_id": "%RESP(X-REQUEST-ID)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "upstream": "%UPSTREAM_HOST%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "ms": "%DURATION%",
    "ms_to_upstream": "%REQUEST_TX_DURATION%",
    "ms_to_first_byte": "%RESPONSE_DURATION%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "trace": "%REQ(TRACEPARENT)%",
}


def write_access_log(listener: str, file: str | None) -> list[Document]:
    """One line for each call that came in by `listener`, to `file`, or to stdout."""
    shape = {"json_format": FIELDS | {"listener": listener}, "omit_empty_values": True}
    if file is None:
        kind = "extensions.access_loggers.stream.v3.StdoutAccessLog"
        return [extension("access_loggers.stdout", kind, log_format=shape)]
    kind = "extensions.access_loggers.file.v3.FileAccessLog"
    return [extension("access_loggers.file", kind, path=file, log_format=shape)]
