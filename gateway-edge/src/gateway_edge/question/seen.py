"""Questions seen before: the same bytes from the same caller need no second reading."""

import hashlib

from gateway_edge.call import Question
from gateway_edge.callers.tenants import Principal

MOST = 4_096  # questions; each takes about a kilobyte, as no body is kept
LARGEST = 1 << 20  # bytes of a body; hashing a larger one takes longer than is worth it


class SeenQuestions:
    """What was read of bodies, found by the SHA-256 of their bytes. Belongs to one snapshot, and to one way of reading: what a
    caller may ask, and what its question means, is the same every time."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, bytes], tuple[Principal, Question]] = {}

    def find(self, caller: Principal, body: bytes) -> Question | None:
        """The question that these bytes were, when this very caller asked."""
        if len(body) > LARGEST:
            return None
        found = self._seen.get(_key(caller, body))
        if found is None or found[0] is not caller:
            return None
        known = found[1]
        return Question(body, known.chat, known.route, known.controls, None, known.notes)

    def note(self, caller: Principal, question: Question) -> None:
        """Remembers a question whose body is the client's own; the oldest is forgotten for it."""
        if len(question.body) > LARGEST:
            return
        if len(self._seen) >= MOST:
            del self._seen[next(iter(self._seen))]
        reading = Question(b"", question.chat, question.route, question.controls, None, question.notes)
        self._seen[_key(caller, question.body)] = (caller, reading)


def _key(caller: Principal, body: bytes) -> tuple[int, bytes]:
    """Callers are told apart by who they are in memory, which stands as long as it is remembered here."""
    return id(caller), hashlib.sha256(body).digest()
