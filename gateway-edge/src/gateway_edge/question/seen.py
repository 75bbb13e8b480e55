"""Questions seen before: the same bytes from the same caller need no second reading."""

import hashlib
from typing import Any

from msgspec import Struct

from gateway_edge.call import Question
from gateway_edge.callers.tenants import Principal
from gateway_edge.endpoints.endpoint import Endpoint

MOST = 4_096  # questions; each takes about a kilobyte, as no body is kept
MOST_ONCE = 65_536  # questions that were asked once; each takes about a hundred bytes
LARGEST = 1 << 20  # bytes of a body; hashing a larger one takes longer than is worth it


class SeenQuestions:
    """What was read of bodies, found by the SHA-256 of their bytes; noted when a body comes for the second time, as most never do.
    Belongs to one snapshot, and to one way of reading: what a caller may ask, and what its question means, is the same every time; where rules and experiments lead it is not, and is
    not remembered."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[Principal, Question]] = {}
        self._once: set[bytes] = set()

    def find(self, caller: Principal, endpoint: Endpoint, body: bytes) -> "Question | Unseen":
        """The question that these bytes were, when this very caller asked them there; else what to note it by."""
        if len(body) > LARGEST:
            return NEVER
        # Callers are told apart by who they are in memory, which stands as long as it is remembered here.
        key = id(caller).to_bytes(8) + hashlib.sha256(body).digest() + endpoint.name.encode()
        found = self._seen.get(key)
        if found is None or found[0] is not caller:
            return self._hear(key)
        known = found[1]
        return Question(body, known.view, known.route, known.controls, None, known.notes, known.endpoint)

    def note(self, caller: Principal, question: Question, unseen: "Unseen") -> None:
        """Remembers a question whose body is the client's own; the oldest is forgotten for it."""
        if not unseen.is_again:
            return
        if len(self._seen) >= MOST:
            del self._seen[next(iter(self._seen))]
        notes: dict[object, Any] = {}
        question.notes = notes if question.resolution is None else notes.setdefault(question.resolution.model, {})
        known = Question(b"", question.view, question.public, question.controls, None, notes, question.endpoint)
        self._seen[unseen.key] = (caller, known)

    def _hear(self, key: bytes) -> "Unseen":
        if key in self._once:
            return Unseen(key, is_again=True)
        if len(self._once) >= MOST_ONCE:
            self._once.clear()
        self._once.add(key)
        return NEVER


class Unseen(Struct, frozen=True, gc=False):
    """What a question can be noted by, and whether it is worth it."""

    key: bytes
    is_again: bool


NEVER = Unseen(b"", is_again=False)
