"""Which entries are over by when: a calendar with a page for every second. Pure.

Everything is O(1) an entry, unlike a heap, whose entries for keys that were dropped early would stay until their time.
"""


class Calendar:
    """Keys by the second in which they are over for certain. Times are seconds of a clock that never steps back."""

    def __init__(self, now: float) -> None:
        self._pages: dict[int, set[bytes]] = {}
        self._today = int(now)

    def add(self, key: bytes, expires_at: float) -> None:
        """Notes a key that is not in it; `expires_at` lies in the future."""
        self._pages.setdefault(_page(expires_at), set()).add(key)

    def remove(self, key: bytes, expires_at: float) -> None:
        """Forgets a key, given the time that it was noted with."""
        page = self._pages[_page(expires_at)]
        page.remove(key)
        if not page:
            del self._pages[_page(expires_at)]

    def take(self, now: float, steps: int) -> tuple[list[bytes], bool]:
        """Takes keys that are over, and says whether there may be more. Does no more than `steps` steps, each of which
        takes a key or turns an empty page."""
        taken: list[bytes] = []
        for _ in range(steps):
            if not self._pages or self._today > int(now):
                self._today = max(self._today, int(now))
                return taken, False
            page = self._pages.get(self._today)
            if page:
                taken.append(page.pop())
            if not page:
                self._pages.pop(self._today, None)
                self._today += 1
        return taken, True

    def __len__(self) -> int:
        return sum(map(len, self._pages.values()))


def _page(expires_at: float) -> int:
    return int(expires_at) + 1
