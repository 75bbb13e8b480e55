"""Where the words of one answer meet those of the next: what the second says again is cut. Pure."""

from provider_svc.dialects.steps import Grow

LEAST = 12  # characters that are taken for a repetition, and not for chance
LEAST_DIFFERENT = 6  # of them: indentation and lines of dashes do go on
LONGEST = 256  # characters of the end of what was said that are compared, and that are held back to compare


class Seam:
    """The begin of a text that goes on behind `said`. It is held back only while it may still turn out to be said again, so that an
    answer that goes on where it was told to waits for a character or two."""

    def __init__(self, said: str) -> None:
        end = said[-LONGEST:]
        suffixes = (end[start:] for start in range(len(end) - LEAST + 1))
        self._suffixes = [suffix for suffix in suffixes if len(set(suffix)) >= LEAST_DIFFERENT]  # the longest first
        self._held: list[Grow] = []
        self._is_open = bool(self._suffixes)

    def join(self, piece: Grow) -> list[Grow]:
        """The pieces that may be told now."""
        if not self._is_open:
            return [piece]
        self._held.append(piece)
        begin = self._begin
        is_undecided = any(len(suffix) > len(begin) and suffix.startswith(begin) for suffix in self._suffixes)
        return [] if is_undecided else self.end()

    def end(self) -> list[Grow]:
        """The pieces that were held back, without what was said before; from here on nothing is held."""
        begin = self._begin
        pieces, self._held, self._is_open = self._held, [], False
        return _cut(pieces, next((len(suffix) for suffix in self._suffixes if begin.startswith(suffix)), 0))

    @property
    def _begin(self) -> str:
        return "".join(piece.text for piece in self._held)


def _cut(pieces: list[Grow], count: int) -> list[Grow]:
    """The pieces without their first `count` characters. Of one that is cut in two nobody knows the tokens."""
    left = []
    for piece in pieces:
        if count < len(piece.text):
            left.append(Grow(piece.text[count:]) if count else piece)
        count = max(0, count - len(piece.text))
    return left
