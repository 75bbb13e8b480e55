"""What callers send, checked: protobuf to keys, asks and times. Raises INVALID_REQUEST with the member at fault."""

from google.protobuf.duration_pb2 import Duration

from cache_svc.state.store import Ask, digest
from chassis.errors import Reason, RunestoneError
from runestone.state.v1.state_pb2 import (
    AbandonCallRequest,
    BeginCallRequest,
    FindNoteRequest,
    FinishCallRequest,
    KeepNoteRequest,
    RememberNonceRequest,
    RenewCallRequest,
)

MAX_NONCE_SCOPE, MAX_NONCE, MAX_SCOPE, MAX_KEY = 256, 256, 512, 255
FINGERPRINT_SIZE = 32
TOKEN_SIZES = (16, 64)
MAX_NOTE = 1_024
MINUTE, HOUR, WEEK, MONTH = 60.0, 3600.0, 7 * 86_400.0, 30 * 86_400.0
MAX_CLAIM = 5 * MINUTE

Claimed = RenewCallRequest | FinishCallRequest | AbandonCallRequest


def read_nonce(request: RememberNonceRequest) -> tuple[bytes, bytes, float]:
    """Its scope's digest, which takes the same memory however long the scope is, the nonce's key, and for how many seconds it
    is remembered."""
    scope = _read_text(request.scope, MAX_NONCE_SCOPE, "scope")
    nonce = _read_text(request.nonce, MAX_NONCE, "nonce")
    return digest("scope", scope), digest("nonce", scope, nonce), read_time(request.ttl, HOUR, "ttl")


def read_ask(request: BeginCallRequest) -> tuple[Ask, float]:
    """Who asks for a claim, and for how many seconds he waits."""
    if len(request.fingerprint) != FINGERPRINT_SIZE:
        raise _refusal(
            "fingerprint", f"has {len(request.fingerprint)} bytes instead of the {FINGERPRINT_SIZE} of a SHA-256"
        )
    ask = Ask(
        key=_read_key(request.scope, request.key),
        fingerprint=request.fingerprint,
        token=_read_token(request.token),
        claim_ttl=read_time(request.claim_ttl, MAX_CLAIM, "claim_ttl"),
    )
    return ask, read_time(request.wait, MINUTE, "wait") if request.HasField("wait") else 0.0


def read_claim(request: Claimed) -> tuple[bytes, bytes]:
    """A claim's key and token."""
    return _read_key(request.scope, request.key), _read_token(request.token)


def read_note(request: KeepNoteRequest) -> tuple[bytes, bytes, bytes, float]:
    """Its scope's digest, its key, what is kept and for how many seconds."""
    if not 0 < len(request.note) <= MAX_NOTE:
        raise _refusal("note", f"must have 1 to {MAX_NOTE} bytes")
    scope = digest("scope", _read_text(request.scope, MAX_SCOPE, "scope"))
    return scope, read_note_key(request), request.note, read_time(request.ttl, MONTH, "ttl")


def read_note_key(request: KeepNoteRequest | FindNoteRequest) -> bytes:
    """What a note is kept under."""
    return digest("note", _read_text(request.scope, MAX_SCOPE, "scope"), _read_text(request.key, MAX_KEY, "key"))


def read_time(time: Duration, most: float, member: str) -> float:
    """Seconds, more than none."""
    seconds = time.ToNanoseconds() / 1e9
    if not 0 < seconds <= most:
        raise _refusal(member, f"is {seconds:g} s; it must be more than 0 and at most {most:g}")
    return seconds


def _read_key(scope: str, key: str) -> bytes:
    return digest("call", _read_text(scope, MAX_SCOPE, "scope"), _read_text(key, MAX_KEY, "key"))


def _read_token(token: str) -> bytes:
    least, most = TOKEN_SIZES
    if not least <= len(token.encode()) <= most:
        raise _refusal("token", f"must have {least} to {most} bytes")
    return token.encode()


def _read_text(text: str, most: int, member: str) -> str:
    if not 0 < len(text.encode()) <= most:
        raise _refusal(member, f"must have 1 to {most} bytes")
    return text


def _refusal(member: str, message: str) -> RunestoneError:
    return RunestoneError(Reason.INVALID_REQUEST, f"{member} {message}", param=member)
