"""What rooms and those in them may be called, and what may be told of them. Pure."""

from typing import Any

import orjson

from chassis.errors import Reason, RunestoneError

LONGEST_NAME = 128  # characters
MOST_NAME_BYTES = 250  # what is left of a topic behind `room:`
MOST_META_BYTES = 4096
RESERVED = ("phx_ref", "phx_ref_prev")  # ours to set; Phoenix' clients tell presences apart by them


def read_name(text: object, what: str) -> str:
    """A room's name, or a presence's key: up to 128 printable characters, exactly as they are: names that look alike are different
    ones. Raises INVALID_REQUEST."""
    if isinstance(text, str) and 0 < len(text) <= LONGEST_NAME and text.isprintable():
        if len(text.encode()) <= MOST_NAME_BYTES:
            return text
        raise RunestoneError(Reason.INVALID_REQUEST, f"{what} takes more than {MOST_NAME_BYTES} bytes", param=what)
    message = f"{what} has to be 1 to {LONGEST_NAME} printable characters"
    raise RunestoneError(Reason.INVALID_REQUEST, message, param=what)


def write_meta(meta: object, ref: str, before: str = "") -> bytes:
    """What is told of a presence, under the ref that this version of it has, and that of the one `before`. Raises INVALID_REQUEST for
    what is no object, too long, or holds what only the gateway says."""
    if not isinstance(meta, dict):
        raise RunestoneError(Reason.INVALID_REQUEST, "meta has to be an object", param="meta")
    if taken := [name for name in RESERVED if name in meta]:
        raise RunestoneError(Reason.INVALID_REQUEST, f"meta may not hold {taken[0]}", param="meta")
    refs = {"phx_ref": ref, "phx_ref_prev": before} if before else {"phx_ref": ref}
    written = orjson.dumps(refs | _checked(meta))
    if len(written) > MOST_META_BYTES:
        message = f"meta may take {MOST_META_BYTES - 256} bytes at most"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param="meta")
    return written


def _checked(meta: dict[str, Any]) -> dict[str, Any]:
    try:
        orjson.dumps(meta)
    except TypeError as error:
        raise RunestoneError(Reason.INVALID_REQUEST, "meta cannot be written as JSON", param="meta") from error
    return meta
