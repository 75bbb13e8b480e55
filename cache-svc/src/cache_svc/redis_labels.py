"""What an answer in Redis can be found by beside its key: digests of its labels, in front of it. Pure.

Eight bytes each, of BLAKE2b (RFC 7693), apart by kind: nothing of a label is readable there. Two that collide are purged together,
which loses an answer and shows none.
"""

from collections.abc import Iterator
from hashlib import blake2b

from cache_svc.store import Labels, Selection

SIZE = 8  # bytes of a digest
MOST = 18  # labels of an answer: tenant, model, sixteen tags
HEAD = 1 + MOST * SIZE  # bytes that all labels of an answer stand in


def write(labels: Labels, body: bytes) -> bytes:
    """What is kept: how many labels (one byte), their digests, the body. Raises ValueError for more than `MOST`."""
    digests = tuple(_digests(labels.tenant, labels.model, labels.tags))
    if len(digests) > MOST:
        raise ValueError(f"an answer has at most {MOST} labels, not {len(digests)}")
    return b"".join((bytes([len(digests)]), *digests, body))


def read_body(kept: bytes) -> bytes:
    """The body of what is kept."""
    return kept[1 + kept[0] * SIZE :]


def read_digests(head: bytes) -> frozenset[bytes]:
    """The digests of what is kept, out of its first `HEAD` bytes; none where nothing is kept any more."""
    count = head[0] if head else 0
    return frozenset(head[1 + index * SIZE :][:SIZE] for index in range(count))


def wanted(selection: Selection) -> frozenset[bytes]:
    """The digests that an answer must all have to be selected; the key's prefix is apart."""
    return frozenset(_digests(selection.tenant, selection.model, (selection.tag,)))


def _digests(tenant: str, model: str, tags: tuple[str, ...]) -> Iterator[bytes]:
    for kind, labels in ((b"tenant", (tenant,)), (b"model", (model,)), (b"tag", tags)):
        for label in labels:
            if label:
                yield blake2b(label.encode(), digest_size=SIZE, person=kind).digest()
