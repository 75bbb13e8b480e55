"""How often keys were seen of late, roughly and in bounded memory: TinyLFU's sketch. Pure.

Gil Einziger, Roy Friedman, Ben Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 13(4),
2017: a count-min sketch of counters up to 15 with minimal increment, in front of it a doorkeeper (a Bloom filter) that takes
every key's first time, and aging: after a sample of keys all counters are halved and the doorkeeper is emptied.
"""

ROWS = 4
MOST = 15  # of a counter of four bits
DOOR = 16  # the fifth bit: this key, or one that shares its slot, came once
AGED = bytes((slot & MOST) >> 1 for slot in range(256))


class Sketch:
    """A table of slots, one byte each: a row's counter, and its part of the doorkeeper. Keys are digests: their own bits say where
    in each row they are, so that nothing is hashed again."""

    def __init__(self, capacity: int) -> None:
        """For about `capacity` keys: 4 to 8 bytes each."""
        width = 1 << max(6, (capacity - 1).bit_length())
        self._mask = width - 1
        self._table = bytearray(ROWS * width)

    def add(self, key: bytes) -> None:
        """Counts a key that was seen."""
        table, slots = self._table, self._find_slots(key)
        values = [table[slot] for slot in slots]
        least = min(values)
        if least < DOOR:  # nobody was here but for others in passing: the door is one bit above every counter
            for slot in slots:
                table[slot] |= DOOR
        elif least & MOST < MOST:
            for slot, value in zip(slots, values, strict=True):
                if value == least:
                    table[slot] = value + 1

    def estimate(self, key: bytes) -> int:
        """How often it was seen, up to 16; too much where it shares its slots with others, else never too little, but for what
        was halved away."""
        table = self._table
        least = min([table[slot] for slot in self._find_slots(key)])
        return (least & MOST) + 1 if least & DOOR else least

    def age(self) -> None:
        """Halves every count: about 0.3 ms for a million slots."""
        self._table[:] = self._table.translate(AGED)

    def _find_slots(self, key: bytes) -> tuple[int, int, int, int]:
        number, mask, width = int.from_bytes(key[:16], "little"), self._mask, self._mask + 1
        return (
            number & mask,
            width + (number >> 32 & mask),
            2 * width + (number >> 64 & mask),
            3 * width + (number >> 96 & mask),
        )
