"""W-TinyLFU: what comes for the first time has to prove itself in a small window before it takes the place of what is used often.
Pure.

Einziger, Friedman, Manes 2017, section 4: an LRU window of 1 %, and a main space in two segments, 80 % of it for what was used
again since it came. Who leaves the window contends with who is next to leave the main space; the one that was seen less often in
a sample of ten times the entries goes. Shares are counted in entries and in bytes, so that one large answer does not pass for one
small one.
"""

from collections import OrderedDict

from cache_svc.eviction.sketch import Sketch

WINDOW = 100  # the window is a hundredth of the whole
PROTECTED = 0.8  # of the main space
SAMPLE = 10  # times the entries held are seen before all counts are halved
SMALLEST_SAMPLE = 10_000


class Segment:
    """Keys in the order of their use, and the bytes that they count for."""

    __slots__ = ("_most_bytes", "_most_keys", "bytes", "keys")

    def __init__(self, most_keys: float, most_bytes: float) -> None:
        self.keys: OrderedDict[bytes, int] = OrderedDict()
        self.bytes = 0
        self._most_keys = most_keys
        self._most_bytes = most_bytes

    @property
    def is_over(self) -> bool:
        """Whether it has more than its share."""
        return len(self.keys) > self._most_keys or self.bytes > self._most_bytes

    def has_room_for(self, size: int) -> bool:
        """Whether one of that size fits, if need be alone: otherwise it would push out all the others and itself."""
        return size <= self._most_bytes

    def put(self, key: bytes, size: int) -> None:
        """As used last."""
        self.keys[key] = size
        self.bytes += size

    def take(self, key: bytes) -> int:
        """Takes a key out, and says its size."""
        size = self.keys.pop(key)
        self.bytes -= size
        return size

    @property
    def oldest(self) -> bytes:
        """The key used longest ago; there is one."""
        return next(iter(self.keys))


class TinyLfu:
    """For a cache of at most `max_entries` and `max_bytes`, which it does not enforce: the store asks for a key to give up."""

    def __init__(self, max_entries: int, max_bytes: int, smallest: int = 1) -> None:
        """`smallest` is what the smallest entry counts for in bytes: so many entries at most are worth counting for."""
        self._sketch = Sketch(min(max_entries, max_bytes // smallest))
        self._seen = 0
        entries, size = max(1, max_entries // WINDOW), max_bytes / WINDOW
        self._window = Segment(entries, size)
        self._probation = Segment(max_entries, max_bytes)
        self._protected = Segment(PROTECTED * (max_entries - entries), PROTECTED * (max_bytes - size))
        self._candidates: list[bytes] = []  # who left the window last, and nobody has contended with yet

    def add(self, key: bytes, size: int) -> None:
        """Into the window; who has no place there, or none any more, goes on probation."""
        self._count(key)
        self._candidates.clear()
        if not self._window.has_room_for(size):
            self._contend(key, size)
            return
        self._window.put(key, size)
        while self._window.is_over:
            oldest = self._window.oldest
            self._contend(oldest, self._window.take(oldest))

    def touch(self, key: bytes) -> None:
        """Who is used on probation is protected, as long as there is nobody used later for its place."""
        self._count(key)
        for segment in (self._protected, self._window):
            if key in segment.keys:
                segment.keys.move_to_end(key)
                return
        self._protected.put(key, self._probation.take(key))
        while self._protected.is_over:
            oldest = self._protected.oldest
            self._probation.put(oldest, self._protected.take(oldest))

    def remove(self, key: bytes) -> None:
        """Its count stays: it may come back."""
        self._segment_of(key).take(key)

    def give_up(self) -> bytes:
        """A newcomer that was seen as seldom as the victim goes: whatever comes once would wash out the rest."""
        victim = self._find_victim()
        while self._candidates:
            candidate = self._candidates[-1]
            if candidate != victim and candidate in self._probation.keys:
                if self._sketch.estimate(candidate) <= self._sketch.estimate(victim):
                    victim = self._candidates.pop()
                break
            self._candidates.pop()
        self.remove(victim)
        return victim

    def _contend(self, key: bytes, size: int) -> None:
        self._probation.put(key, size)
        self._candidates.append(key)

    def _find_victim(self) -> bytes:
        for segment in (self._probation, self._protected, self._window):
            if segment.keys:
                return segment.oldest
        raise IndexError("nothing is held")

    def _segment_of(self, key: bytes) -> Segment:
        for segment in (self._protected, self._window):
            if key in segment.keys:
                return segment
        return self._probation

    def _count(self, key: bytes) -> None:
        self._sketch.add(key)
        self._seen += 1
        if self._seen >= max(SMALLEST_SAMPLE, SAMPLE * len(self)):
            self._sketch.age()
            self._seen //= 2

    def __len__(self) -> int:
        return len(self._window.keys) + len(self._probation.keys) + len(self._protected.keys)
