"""What answers of encrypted tenants are found by, hidden from who has no key. Pure.

A fingerprint is a hash without a secret: who can read the store could hash questions that he guesses. So entries are kept under
names by a key, and under HMACs (RFC 2104) of tenant, model and tags; all by one key, which belongs to no tenant, so that answers of
all tenants are found by a model, and by a fingerprint whoever asked.

The first bytes of a name preserve prefixes, in the manner of Crypto-PAn (Xu et al., 2002): each is masked by what stands before it.
What that shows, which fingerprints begin alike, is as random as the hashes are.
"""

import hmac
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b

from cache_svc.encryption.sealing import frame
from cache_svc.encryption.wrapping import derive
from cache_svc.store import Labels, Selection

FINGERPRINT_SIZE = 32
PRESERVED = 8  # bytes of a fingerprint's beginning that stay a beginning
LABEL_SIZE = 16  # bytes
REMEMBERED = 4096  # labels whose hidden form need not be found anew


class Names:
    """Names by one random key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._fingerprints = derive(key, b"fingerprints")
        self._beginnings = derive(key, b"beginnings")
        self._labels = derive(key, b"labels")
        self._hide = lru_cache(REMEMBERED)(self._hide_anew)

    def hide_fingerprint(self, fingerprint: bytes) -> bytes:
        """32 bytes to keep an entry under. Fingerprints that begin alike, for up to eight bytes, do so under these names too."""
        rest = hmac.digest(self._fingerprints, fingerprint, "sha256")[PRESERVED:]
        return self._mask(fingerprint[:PRESERVED]) + rest

    def hide_labels(self, labels: Labels) -> Labels:
        """The same labels for the same labels, unreadable; what is empty stays empty."""
        tags = tuple(self._hide("tag", tag) for tag in labels.tags)
        return Labels(self._hide("tenant", labels.tenant), self._hide("model", labels.model), tags)

    def hide_selection(self, selection: Selection) -> Selection:
        """What selects under their names the entries that `selection` fits. Of a prefix that is no whole fingerprint the first
        eight bytes count, which one in 2^64 of the others share."""
        return replace(
            selection,
            key_prefix=self._hide_prefix(selection.key_prefix),
            tenant=self._hide("tenant", selection.tenant),
            model=self._hide("model", selection.model),
            tag=self._hide("tag", selection.tag),
        )

    def _hide_prefix(self, prefix: bytes) -> bytes:
        if len(prefix) == FINGERPRINT_SIZE:
            return self.hide_fingerprint(prefix)
        return self._mask(prefix[:PRESERVED])

    def _mask(self, beginning: bytes) -> bytes:
        key = self._beginnings
        masks = [blake2b(beginning[:place], key=key, digest_size=1).digest()[0] for place in range(len(beginning))]
        return bytes([byte ^ mask for byte, mask in zip(beginning, masks, strict=True)])

    def _hide_anew(self, kind: str, text: str) -> str:
        if not text:
            return ""
        return hmac.digest(self._labels, frame(kind.encode(), text.encode()), "sha256")[:LABEL_SIZE].hex()
