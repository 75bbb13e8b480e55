"""What answers of encrypted tenants are found by, hidden from who has no key. Pure.

A fingerprint is a hash without a secret: who can read the store could hash questions that he guesses. So entries are kept under
its HMAC (RFC 2104), and under HMACs of tenant, model and tags; all by one key, which belongs to no tenant, so that answers of
all tenants are found by a model, and by a fingerprint whoever asked.
"""

import hmac
from dataclasses import dataclass, replace

from cache_svc.encryption.sealing import frame
from cache_svc.encryption.wrapping import derive
from cache_svc.store import Labels, Selection

PRESERVED = 2  # bytes of a fingerprint's beginning that stay a beginning
LABEL_SIZE = 16  # bytes


@dataclass(frozen=True, slots=True)
class _Masks:
    """A permutation of beginnings: what the first byte is masked with, and the second, by what the first was."""

    first: int
    second: bytes

    def apply(self, beginning: bytes) -> bytes:
        hidden = bytes([beginning[0] ^ self.first])
        return hidden if len(beginning) == 1 else hidden + bytes([beginning[1] ^ self.second[beginning[0]]])


class Names:
    """Names by one random key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._fingerprints = derive(key, b"fingerprints")
        self._labels = derive(key, b"labels")
        first, *second = derive(key, b"beginnings", 257)
        self._masks = _Masks(first, bytes(second))

    def hide_fingerprint(self, fingerprint: bytes) -> bytes:
        """32 bytes to keep an entry under. Fingerprints with the same first one or two bytes share them under this name too."""
        rest = hmac.digest(self._fingerprints, fingerprint, "sha256")[PRESERVED:]
        return self._masks.apply(fingerprint[:PRESERVED]) + rest

    def hide_labels(self, labels: Labels) -> Labels:
        """The same labels for the same labels, unreadable; what is empty stays empty."""
        tags = tuple(self._hide("tag", tag) for tag in labels.tags)
        return Labels(self._hide("tenant", labels.tenant), self._hide("model", labels.model), tags)

    def hide_selection(self, selection: Selection) -> Selection:
        """What selects under their names the entries that `selection` fits. A prefix of more than two bytes and less than a
        whole fingerprint fits by its first two, and so one in 65,536 of all others: they are a later miss."""
        return replace(
            selection,
            key_prefix=self._hide_prefix(selection.key_prefix),
            tenant=self._hide("tenant", selection.tenant),
            model=self._hide("model", selection.model),
            tag=self._hide("tag", selection.tag),
        )

    def _hide_prefix(self, prefix: bytes) -> bytes:
        if len(prefix) == 32:
            return self.hide_fingerprint(prefix)
        return self._masks.apply(prefix[:PRESERVED]) if prefix else b""

    def _hide(self, kind: str, text: str) -> str:
        if not text:
            return ""
        return hmac.digest(self._labels, frame(kind.encode(), text.encode()), "sha256")[:LABEL_SIZE].hex()
