"""The body that goes upstream: the client's own members as raw slices, with two of them changed."""

from collections.abc import Mapping

import msgspec

from chassis.errors import Reason, RunestoneError
from provider_svc.documents import UNREADABLE

_decode_options = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode


def build_body(members: Mapping[str, msgspec.Raw], model: str, *, asks_usage: bool) -> bytes:
    """The JSON for the provider: `model` is the target's; with `asks_usage` a stream of chunks is asked for its usage whether the
    client did or not, so that it can be settled. All other members, known or not, are the client's bytes in the client's order.

    Raises INVALID_REQUEST when there are options of the stream that are no object.
    """
    body: dict[str, object] = {**members, "model": model}
    if asks_usage:
        body["stream_options"] = {**_read_options(members), "include_usage": True}
    return msgspec.json.encode(body)


def wants_usage(members: Mapping[str, msgspec.Raw]) -> bool:
    """Whether the client asked for the extra usage chunk."""
    include = _read_options(members).get("include_usage")
    return include is not None and bytes(include) == b"true"


def _read_options(members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """The client's `stream_options`. Raises INVALID_REQUEST when it is not an object."""
    raw = members.get("stream_options")
    if raw is None:
        return {}
    try:
        return _decode_options(raw) or {}
    except UNREADABLE as exc:
        raise RunestoneError(
            Reason.INVALID_REQUEST, "stream_options must be an object", param="stream_options"
        ) from exc
