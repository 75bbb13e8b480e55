"""A call's tags, by which its answer can be purged, and which rules may ask for. Pure."""

import re
from collections.abc import Mapping

from chassis.errors import Reason, RunestoneError

HEADER = "x-runestone-tags"
MOST = 16

_TAG = re.compile(r"[!-+\--~]{1,64}")  # visible ASCII without the comma


def read_tags(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The tags of a request, each once. Raises INVALID_REQUEST for too many, and for what cannot be one."""
    header = headers.get(HEADER)
    if not header:
        return ()
    tags = tuple(dict.fromkeys(tag.strip() for tag in header.split(",") if tag.strip()))
    if len(tags) > MOST or not all(map(_TAG.fullmatch, tags)):
        message = f"`{HEADER}` takes at most {MOST} tags of 1 to 64 visible ASCII characters, with commas between"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=HEADER, code="invalid_tags")
    return tags
