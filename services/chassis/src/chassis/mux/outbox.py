"""Frames on their way out: everything that is ready goes together, calls take turns. Pure."""

from collections import OrderedDict, deque

BATCH = 256 << 10  # bytes in one batch


class Outbox:
    """Queues frames (as bytes) per call and hands them out in batches.

    Within a call the order is kept; between calls one frame of each goes in turn, so that a large message does not hold up
    a small one. It is bounded by the calls' credits and by how many calls a session may have.
    """

    def __init__(self) -> None:
        self._queues: OrderedDict[int, deque[bytes]] = OrderedDict()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, call: int, frame: bytes) -> None:
        """Queues a frame behind those of its call."""
        queue = self._queues.get(call)
        if queue is None:
            self._queues[call] = deque((frame,))
        else:
            queue.append(frame)
        self.size += len(frame)

    def take(self, most: int = BATCH) -> list[tuple[int, bytes]]:
        """The next batch, each frame with its call: at least one when there is any, and no more than `most` bytes unless one
        frame is larger."""
        batch: list[tuple[int, bytes]] = []
        left = most
        while self._queues:
            call, queue = self._queues.popitem(last=False)
            if batch and len(queue[0]) > left:
                self._queues[call] = queue
                self._queues.move_to_end(call, last=False)
                break
            frame = queue.popleft()
            batch.append((call, frame))
            left -= len(frame)
            if queue:
                self._queues[call] = queue
        self.size -= most - left
        return batch

    def drop(self, call: int) -> list[bytes]:
        """Takes back the frames of a call that nobody waits for; they were never sent."""
        frames = list(self._queues.pop(call, ()))
        self.size -= sum(map(len, frames))
        return frames
