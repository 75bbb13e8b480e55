"""Frames on their way out: everything that is ready goes together, calls take turns. Pure."""

from collections import OrderedDict, deque

from runestone.mux.v1.mux_pb2 import Frame

BATCH = 256 << 10  # bytes in one batch


class Outbox:
    """Queues frames per call and hands them out in batches.

    Within a call the order is kept; between calls one frame of each goes in turn, so that a large message does not hold up
    a small one. It is bounded by the calls' credits and by how many calls a session may have.
    """

    def __init__(self) -> None:
        self._queues: OrderedDict[int, deque[tuple[Frame, int]]] = OrderedDict()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._queues)

    def put(self, frame: Frame, size: int) -> None:
        """Queues a frame of about `size` bytes behind those of its call."""
        queue = self._queues.get(frame.call)
        if queue is None:
            self._queues[frame.call] = deque(((frame, size),))
        else:
            queue.append((frame, size))
        self.size += size

    def take(self, most: int = BATCH) -> list[Frame]:
        """The next batch: at least one frame when there is any, and no more than `most` bytes unless one frame is larger."""
        frames: list[Frame] = []
        left = most
        while self._queues:
            call, queue = next(iter(self._queues.items()))
            frame, size = queue[0]
            if frames and size > left:
                break
            queue.popleft()
            frames.append(frame)
            left -= size
            self.size -= size
            if queue:
                self._queues.move_to_end(call)
            else:
                del self._queues[call]
        return frames

    def drop(self, call: int) -> list[Frame]:
        """Takes back the frames of a call that nobody waits for; they were never sent."""
        queue = self._queues.pop(call, None)
        if queue is None:
            return []
        self.size -= sum(size for _, size in queue)
        return [frame for frame, _ in queue]
