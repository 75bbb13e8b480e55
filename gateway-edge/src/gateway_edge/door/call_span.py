"""What the span of a call says, when it is over: HTTP's attributes by OpenTelemetry's conventions, and what they lack as `runestone.*`.

Nothing of what is asked or answered is in it, and no query string: that may hold a key.
https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from typing import TYPE_CHECKING

from chassis.conventions import Attributes, Value
from chassis.tracing import Tracing, parse_traceparent, span_context
from gateway_edge.call import Call
from gateway_edge.door.errors import http_status
from gateway_edge.reply import Reply

if TYPE_CHECKING:
    from opentelemetry.trace import Span

SERVER_ERROR = 500


def describe_call_on(span: "Span", call: Call, reply: Reply, path: str, tracing: Tracing) -> None:
    """Writes all of it on `span`: attributes, each middleware as an event, and a link to the call whose stream this one reads on."""
    from opentelemetry.trace import StatusCode  # noqa: PLC0415  imported only where spans are recorded

    status = http_status(call.outcome.error) if call.outcome.error else 200
    tracing.describe(
        span, {**_describe_http(call, path, status), **_describe_way(call), **_describe_outcome(call, reply)}
    )
    if call.outcome.error is not None:
        span.set_attribute("error.type", str(call.outcome.error.reason))
        if status >= SERVER_ERROR:
            span.set_status(StatusCode.ERROR, str(call.outcome.error.reason))
    for name, seconds in call.stopwatch.read().items():
        span.add_event("middleware", {"runestone.middleware": name, "runestone.middleware.seconds": seconds})
    began = parse_traceparent(call.followed.note.traceparent) if call.followed is not None else None
    if began is not None:
        span.add_link(span_context(began, is_remote=True), {"runestone.link": "stream"})


def _describe_http(call: Call, path: str, status: int) -> Attributes:
    """Of a message on a socket or a gRPC stream only its front: it is no request."""
    front = path.removesuffix(call.arrival.template).strip()
    if front:
        return {"runestone.front": front, "runestone.status": status}
    return {
        "http.request.method": call.arrival.method,
        "http.route": path,
        "http.response.status_code": status,
        "url.path": call.arrival.path,
        "url.scheme": "https" if call.settings.edge.http.tls is not None else "http",
    }


def _describe_way(call: Call) -> Attributes:
    """Who asked for what, and which way it went."""
    outcome, principal, question = call.outcome, call.principal, call.question
    said = {
        "runestone.request_id": call.id,
        "runestone.snapshot": call.snapshot_version,
        "runestone.tenant": principal.tenant if principal else "",
        "runestone.key": principal.key if principal else "",
        "runestone.pipeline": call.pipeline,
        "runestone.model": question.public.name if question else "",
        "runestone.route": outcome.route,
        "runestone.experiment": outcome.experiment,
        "runestone.arm": outcome.arm,
        "runestone.cause": call.cause,
    }
    return {name: value for name, value in said.items() if value}


def _describe_outcome(call: Call, reply: Reply) -> Attributes:
    outcome = call.outcome
    said: dict[str, Value] = {
        "runestone.cache": outcome.cache,
        "runestone.target": f"{outcome.provider}/{outcome.provider_model}" if outcome.provider else "",
        "runestone.attempts": outcome.attempts,
        "runestone.why": outcome.why,
        "runestone.response.bytes": reply.bytes_sent,
        "runestone.stream.chunks": outcome.chunks,
    }
    if outcome.cost is not None and outcome.is_billed:
        said["runestone.cost_usd"] = outcome.cost.nano_usd / 1e9
    if reply.first_byte_at is not None:
        said["runestone.first_byte_seconds"] = reply.first_byte_at - call.arrival.received_at
    return {name: value for name, value in said.items() if value != ""}
