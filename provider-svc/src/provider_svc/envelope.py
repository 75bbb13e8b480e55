"""What a request to call a model holds: everything that is checked before anything is begun."""

from collections.abc import Mapping

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.documents import UNREADABLE
from provider_svc.keeping import read_kept
from provider_svc.provider import Kept
from runestone.common.v1 import dialect_pb2 as dialects
from runestone.provider.v1.provider_pb2 import CallRequest

JSON = "application/json"
FORM = "multipart/form-data"
MAX_HEADERS = 16
LONGEST_HEADER = 4096  # characters

KNOWN = frozenset(dialects.Dialect.values()) - {dialects.DIALECT_UNSPECIFIED}
FORMS = frozenset(
    {
        dialects.DIALECT_OPENAI_IMAGE_EDITS,
        dialects.DIALECT_OPENAI_TRANSCRIPTIONS,
        dialects.DIALECT_OPENAI_TRANSLATIONS,
    }
)
UNSTREAMED = frozenset(
    {
        dialects.DIALECT_OPENAI_EMBEDDINGS,
        dialects.DIALECT_OPENAI_MODERATIONS,
        dialects.DIALECT_OPENAI_TRANSLATIONS,
        dialects.DIALECT_RERANK,
        dialects.DIALECT_ANTHROPIC_COUNT_TOKENS,
    }
)

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Envelope(msgspec.Struct, frozen=True):
    """A request's body, read as far as it is read here: JSON by its top-level `members`, or the whole of a `form` with its media
    type; and the client's `headers`. Of a request for what a provider keeps, which is `kept`, the body is not read."""

    members: Mapping[str, msgspec.Raw]
    form: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = {}
    kept: Kept | None = None


def read_envelope(request: CallRequest) -> Envelope:
    """Raises INVALID_REQUEST for whatever is missing, cannot be understood, or is not to be had in the request's dialect."""
    for name in ("call_id", "tenant", "model"):
        if not getattr(request, name):
            raise _refused(f"{name} is missing", name)
    if request.dialect not in KNOWN:
        raise _refused("the dialect is not one that this service speaks", "dialect")
    if request.stream and request.dialect in UNSTREAMED:
        raise _refused("this endpoint has no stream", "stream")
    headers = _read_headers(request.headers) if request.headers else {}
    if request.HasField("resource"):
        return Envelope({}, headers=headers, kept=read_kept(request))
    if request.content_type and _names(request.content_type) != JSON:
        return _read_form(request, headers)
    return Envelope(read_members(request.body), headers=headers)


def read_members(body: bytes) -> Mapping[str, msgspec.Raw]:
    """The top-level members of a JSON object. Raises INVALID_REQUEST for anything else."""
    try:
        return _decode_members(body)
    except UNREADABLE as exc:
        raise _refused(f"the body is not a JSON object: {exc}", "body") from exc


def _read_form(request: CallRequest, headers: Mapping[str, str]) -> Envelope:
    """A form is read where its provider is known: most of it is files."""
    if _names(request.content_type) != FORM or request.dialect not in FORMS:
        raise _refused(f"this endpoint does not take {request.content_type[:100]!r}", "content_type")
    return Envelope({}, request.body, request.content_type, headers)


def _names(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _read_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name, value in headers.items():
        if len(value) > LONGEST_HEADER or not (value.isascii() and value.isprintable()):
            raise _refused(f"the header {name[:100]!r} is too long, or not plain text", "headers")
    if len(headers) > MAX_HEADERS:
        raise _refused(f"more than {MAX_HEADERS} headers", "headers")
    return dict(headers)


def _refused(message: str, param: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, message, param=param)
