"""JSON that others wrote: what reading it can raise, and what to raise then."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from msgspec import Meta

from chassis.errors import Reason, RunestoneError

# Tokens as a provider counts them. A trillion is above all that a call can come to, and so far below what a protobuf's integer holds that
# prices and sums of them fit, too.
Count = Annotated[int, Meta(ge=0, le=1 << 40)] | None

# msgspec: malformed or mistyped (DecodeError), text that is not UTF-8 (UnicodeDecodeError), nested too deeply.
UNREADABLE = (ValueError, RecursionError)

Form = TypeVar("Form")


def read_answered(decode: Callable[[bytes], Form], body: bytes, *, within: str = "answer") -> Form:
    """What a provider answered. Raises PROVIDER_INVALID_ANSWER when it is not JSON of that form."""
    try:
        return decode(body)
    except UNREADABLE as exc:
        message = f"the provider's {within} is not the JSON of its protocol"
        raise RunestoneError(Reason.PROVIDER_INVALID_ANSWER, message, upstream_status=200) from exc
