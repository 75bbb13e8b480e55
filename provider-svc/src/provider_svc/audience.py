"""Those whom a flight answers: calls, and the subscriptions that follow for them."""

from provider_svc.call import Call
from provider_svc.subscription import Subscription
from runestone.provider.v1.provider_pb2 import AttachResponse, CallResponse

Follower = Subscription[CallResponse] | Subscription[AttachResponse]


class Audience:
    """Calls and their subscriptions, all in the order in which they came: those that follow, and those that only watch, which count for
    nothing but being told. Joining and leaving takes the same time whatever the number of those that follow."""

    __slots__ = ("calls", "followers", "paused", "watchers")

    def __init__(self) -> None:
        self.calls: dict[Call, None] = {}
        self.followers: dict[Follower, None] = {}
        self.watchers: dict[Follower, None] = {}
        self.paused = 0

    @property
    def is_paused(self) -> bool:
        """Whether there are calls, and all of them paused."""
        return bool(self.paused) and self.paused == len(self.calls)

    @property
    def first(self) -> Call | None:
        """The call that has been here longest."""
        return next(iter(self.calls), None)

    def admit(self, call: Call) -> None:
        """One call more."""
        self.calls[call] = None
        self.paused += call.is_paused

    def dismiss(self, call: Call) -> None:
        """One call less."""
        del self.calls[call]
        self.paused -= call.is_paused

    def pause(self, call: Call, *, paused: bool) -> None:
        """Notes it on `call`, which must be one of these."""
        self.paused += paused - call.is_paused
        call.is_paused = paused

    def seat(self, follower: Follower) -> None:
        """One subscription more for its call."""
        if follower.is_watching:
            self.watchers[follower] = None
        else:
            self.followers[follower] = None
            follower.call.following += 1

    def unseat(self, follower: Follower) -> bool:
        """One subscription less; whether it followed."""
        if follower not in self.followers:
            self.watchers.pop(follower, None)
            return False
        del self.followers[follower]
        follower.call.following -= 1
        return True

    def list_followers(self, call: Call) -> list[Follower]:
        """The subscriptions of one call, those too that only watch."""
        following = [follower for follower in self.followers if follower.call is call] if call.following else []
        return following + [watcher for watcher in self.watchers if watcher.call is call]

    def find_slowest(self) -> int | None:
        """How many bytes the slowest subscriber has read; None without subscribers."""
        slowest = None
        for follower in self.followers:
            if slowest is None or follower.read < slowest:
                slowest = follower.read
        return slowest

    def find_fastest(self) -> int | None:
        """How many bytes the fastest subscriber has read; None without subscribers."""
        return max((follower.read for follower in self.followers), default=None)

    def wake(self) -> None:
        """Something has come."""
        for follower in self.followers:
            follower.wake()
        if self.watchers:
            for watcher in self.watchers:
                watcher.wake()

    def __repr__(self) -> str:
        counts = f"{len(self.followers)} subscriptions, {len(self.watchers)} watching"
        return f"Audience({len(self.calls)} calls, {self.paused} paused, {counts})"
