"""Content codings (RFC 9110, section 8.4.1). None is ever asked for; what comes compressed all the same is decoded, in
pieces of a bounded size, so that a few bytes never become more than the reader asked for."""

import zlib

from provider_svc.http1.faults import Malformed

CODINGS = frozenset({b"gzip", b"x-gzip", b"deflate"})
IDENTITY = frozenset({b"", b"identity"})
PIECE = 256 << 10
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


def is_coded(coding: bytes | None) -> bool:
    """Whether a body with this content-encoding has to be inflated. Raises Malformed for codings not known here."""
    if coding is None:
        return False
    name = coding.strip().lower()
    if name not in CODINGS and name not in IDENTITY:
        raise Malformed("a content coding that was not asked for")
    return name in CODINGS


class Inflater:
    """Decodes one body: `feed` what has come, then `take` until nothing is left."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._rest = b""
        self._is_full = False

    def feed(self, data: bytes) -> None:
        """Adds compressed bytes."""
        self._rest += data

    def take(self) -> bytes:
        """The next piece, at most 256 KiB; b"" when more has to be fed first. Raises Malformed."""
        piece = b""
        while not piece and (self._rest or self._is_full):
            if self._stream.eof:
                self._begin_member()
            try:
                piece = self._stream.decompress(self._rest, PIECE)
            except zlib.error as exc:
                raise Malformed("a body that is not compressed as announced") from exc
            self._is_full = len(piece) == PIECE and not self._stream.eof  # zlib may hold the end of a copy back
            self._rest = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        return piece

    def finish(self) -> None:
        """The body has ended. Raises Malformed when what was compressed has not."""
        if not self._stream.eof:
            raise Malformed("a compressed body that breaks off")

    def _begin_member(self) -> None:
        """A gzip file may have several members, one behind the other (RFC 1952, section 2.2)."""
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
