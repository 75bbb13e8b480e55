"""What the service needs of a place that remembers what edges share for a while: nonces, and calls under a key."""

import enum
from dataclasses import dataclass
from typing import Protocol

from chassis.errors import Reason, RunestoneError
from chassis.hashing import hash_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Somebody wants to make the call under `key`: what he asks (SHA-256), by what he would hold the claim, and for how many
    seconds."""

    key: bytes
    fingerprint: bytes
    token: bytes
    claim_ttl: float


class Standing(enum.Enum):
    """How a key stands for who asks."""

    CLAIMED = enum.auto()
    RUNNING = enum.auto()
    ANSWERED = enum.auto()
    MISMATCH = enum.auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A standing; with ANSWERED the serialized `runestone.state.v1.KeptAnswer`."""

    standing: Standing
    answer: bytes = b""


CLAIMED, RUNNING, MISMATCH = map(Outcome, (Standing.CLAIMED, Standing.RUNNING, Standing.MISMATCH))


class StateStore(Protocol):
    """Remembers nonces and calls by key (`digest`). Every method raises UNAVAILABLE when the store does not answer, and is
    one step that nothing comes between."""

    async def remember_nonce(self, scope: bytes, key: bytes, ttl: float) -> bool:
        """Whether it is the first to show the nonce within `ttl` seconds. Raises OVERLOADED when no further one can be
        remembered, of all or of the scope: none is forgotten early."""

    async def begin(self, ask: Ask) -> Outcome:
        """Claims the key where it is free or held by the same token already, else says how it stands; never waits. Raises
        OVERLOADED when no further claim can be held."""

    async def wait_for_change(self, key: bytes, *, waited: float, patience: float) -> bool:
        """Returns when asking again may give something else than RUNNING, after `patience` seconds at the latest; `waited`
        is for how long the caller has been waiting so far. False when there is no waiting any more: the service stops."""

    async def renew(self, key: bytes, token: bytes, ttl: float) -> None:
        """Lets the claim last `ttl` seconds from now. Raises NOT_FOUND when it is lost."""

    async def finish(self, key: bytes, token: bytes, answer: bytes, ttl: float) -> bool:
        """Ends the claim and keeps the answer for `ttl` seconds; False when it is larger than the store keeps, and the key
        free again. Raises NOT_FOUND when the claim is lost; then nothing changes."""

    async def abandon(self, key: bytes, token: bytes) -> None:
        """Ends the claim, if it is held, without an answer."""

    async def keep_note(self, scope: bytes, key: bytes, note: bytes, ttl: float) -> None:
        """Keeps `note` for `ttl` seconds in place of what was kept under the key. Raises OVERLOADED when no further one can be kept,
        of all or of the scope."""

    async def find_note(self, key: bytes) -> bytes | None:
        """What is kept under the key."""


def digest(kind: str, *parts: str) -> bytes:
    """The 32 bytes that a thing is remembered under: SHA-256 over the parts, each after its length, so that no choice of
    parts makes two things one."""
    return hash_parts(part.encode() for part in (kind, *parts))


def lost_claim() -> RunestoneError:
    """What is raised for a claim that is not held (any more)."""
    return RunestoneError(Reason.NOT_FOUND, "the claim is lost: it ran out, or the store has forgotten it")
