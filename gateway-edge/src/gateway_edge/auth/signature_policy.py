"""What a signature must say and cover to be taken. Pure."""

from collections.abc import Iterator

from gateway_edge.auth.refusal import SIGNATURE, refusal
from gateway_edge.auth.signature_input import SignatureInput
from gateway_edge.call import Arrival

REQUIRED = ("created", "nonce", "keyid")
LONGEST_NONCE = 256
ALWAYS_COVERED = ("@method", "@path", "@query")
DIGEST = "content-digest"
STEERING = ("x-runestone-", "idempotency-key")  # headers that change what becomes of a call


def check_terms(arrival: Arrival, given: SignatureInput) -> None:
    """Raises AUTHENTICATION_FAILED unless the signature can be told from a replay, and covers what the request asks for: a part
    that is not covered could be anybody's."""
    for name in REQUIRED:
        if name not in given.values:
            raise refusal(SIGNATURE, f"the signature's parameter {name!r} is missing")
    if not 0 < len(given.nonce) <= LONGEST_NONCE:
        raise refusal(SIGNATURE, f"the nonce must be 1 to {LONGEST_NONCE} characters")
    if missing := [name for name in _list_needed(arrival) if name not in given.components]:
        raise refusal(SIGNATURE, f"the signature must cover {', '.join(missing)} too")


def _list_needed(arrival: Arrival) -> Iterator[str]:
    yield from ALWAYS_COVERED
    if may_have_body(arrival):
        yield DIGEST
    for name in arrival.headers:
        if name.startswith(STEERING):
            yield name


def may_have_body(arrival: Arrival) -> bool:
    """Whether the request announces a body."""
    headers = arrival.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0").strip("0") != ""


def seconds_left(given: SignatureInput, now: float, *, window: float, clock_skew: float) -> float:
    """For how many seconds from `now` somebody's clock may still find the signature good. Raises AUTHENTICATION_FAILED when ours
    does not."""
    ends = min(given.created + window, given.values.get("expires", float("inf")))
    if given.created > now + clock_skew:
        raise refusal(SIGNATURE, "the signature was made in the future; check the clock")
    if now > ends:
        raise refusal(SIGNATURE, f"the signature is too old: it expired, or was made more than {window:g} s ago")
    return float(ends + clock_skew - now)
