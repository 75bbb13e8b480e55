"""Those whom a flight answers: calls, and the subscriptions that follow for them."""

from provider_svc.call import Call
from provider_svc.subscription import Subscription
from runestone.provider.v1.provider_pb2 import AttachResponse, CallResponse

Follower = Subscription[CallResponse] | Subscription[AttachResponse]


class Audience:
    """Calls and their subscriptions, both in the order in which they came. Joining and leaving takes the same time whatever their
    number."""

    __slots__ = ("calls", "followers", "paused")

    def __init__(self) -> None:
        self.calls: dict[Call, None] = {}
        self.followers: dict[Follower, None] = {}
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
        self.followers[follower] = None
        follower.call.following += 1

    def unseat(self, follower: Follower) -> bool:
        """One subscription less; whether it was there."""
        if follower not in self.followers:
            return False
        del self.followers[follower]
        follower.call.following -= 1
        return True

    def list_followers(self, call: Call) -> list[Follower]:
        """The subscriptions of one call."""
        return [follower for follower in self.followers if follower.call is call]

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

    def __repr__(self) -> str:
        return f"Audience({len(self.calls)} calls, {self.paused} paused, {len(self.followers)} subscriptions)"
