"""What an `Idempotency-Key` stands for: whose it is, and what was asked under it. Pure.

The header is that of draft-ietf-httpapi-idempotency-key-header, taken as it stands: quotes belong to the key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from chassis.errors import Reason, RunestoneError
from chassis.hashing import hash_parts
from gateway_edge.call import Call, Question

HEADER = "idempotency-key"
SCHEMA_VERSION = b"1"

_VISIBLE = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True)
class CallKey:
    """A key within its scope, which nobody else shares, and the SHA-256 of what is asked."""

    scope: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, call: Call, key: str) -> "CallKey":
        """Of a validated call. The scope is the tenant and its API key, hashed, so that their names may be of any length."""
        caller = call.caller
        scope = hash_parts((caller.tenant.encode(), caller.key.encode())).hex()
        return cls(scope, key, fingerprint_call(call))


def read_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries; None when it carries none. Raises INVALID_REQUEST for one that cannot be a key."""
    key = headers.get(HEADER)
    if key is not None and not _VISIBLE.fullmatch(key):
        message = "`Idempotency-Key` must be 1 to 255 visible ASCII characters"
        raise RunestoneError(Reason.INVALID_REQUEST, message, param=HEADER, code="invalid_idempotency_key")
    return key


def fingerprint_call(call: Call) -> bytes:
    """SHA-256 over what is asked: method, path template, pipeline, and the whole document whatever its whitespace and the order of
    its members, or the model and what a form holds whatever parts it; no other header."""
    arrival = call.arrival
    named = (arrival.method.encode(), arrival.template.encode(), call.pipeline.encode())
    return hash_parts((SCHEMA_VERSION, *named, *_canonical(call.asked)))


def _canonical(question: Question) -> tuple[bytes, ...]:
    """The document in its canonical form; a body that says more than its document is compared byte for byte. The model of a form may
    stand in its path."""
    if question.form is not None:
        return b"form", question.view.model.encode(), question.form.digest
    if question.is_ambiguous:
        return b"bytes", question.body
    return b"json", orjson.dumps(question.document, option=orjson.OPT_SORT_KEYS)
