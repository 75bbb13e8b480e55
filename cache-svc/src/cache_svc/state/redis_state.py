"""What edges share, in Redis or Redis Cluster: the same for all replicas. Every key has a time to live, which is Redis' own affair,
and every script has one key, so that a cluster's server can run it."""

from cache_svc.state.changes import Changes
from cache_svc.state.store import CLAIMED, MISMATCH, RUNNING, Ask, Outcome, Standing, lost_claim
from chassis.redis import RedisClient, Script

CALL, NONCE, NOTE = "rs:st:call:", "rs:st:nonce:", "rs:st:note:"
BEGIN, RENEW, FINISH, ABANDON = (
    Script.load("cache_svc.state", f"{name}.lua") for name in ("begin", "renew", "finish", "abandon")
)
OUTCOMES = {b"claimed": CLAIMED, b"running": RUNNING, b"mismatch": MISMATCH}
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.5  # seconds


class RedisState:
    """One key a nonce and one a call, which Redis forgets in time; it bounds itself. Of what may be kept only the size of one
    answer is bounded here, `max_answer` bytes."""

    def __init__(self, client: RedisClient, max_answer: int) -> None:
        self._client = client
        self._max_answer = max_answer
        self.changes = Changes()

    async def remember_nonce(self, scope: bytes, key: bytes, ttl: float) -> bool:  # noqa: ARG002  see below
        """A Redis that is full and evicts nothing refuses, which is UNAVAILABLE. Scopes are not counted: a counter beside keys that end by
        themselves would drift."""
        return await self._client.ask("SET", NONCE + key.hex(), 1, "NX", "PX", _milliseconds(ttl)) is not None

    async def begin(self, ask: Ask) -> Outcome:
        """By Redis' clock."""
        arguments = (ask.fingerprint, ask.token, _milliseconds(ask.claim_ttl))
        standing, *answer = await self._client.run(BEGIN, [CALL + ask.key.hex()], arguments)
        return Outcome(Standing.ANSWERED, answer[0]) if answer else OUTCOMES[standing]

    async def wait_for_change(self, key: bytes, *, waited: float, patience: float) -> bool:
        """What this replica ends is heard of at once. For what others end Redis is to be asked again, after a quarter of the
        time that the caller has been waiting: no caller learns of it later than a quarter after it could have."""
        pause = min(max(waited / 4, SHORTEST_PAUSE), LONGEST_PAUSE)
        await self.changes.wait(key, min(pause, patience))
        return not self.changes.is_closed

    async def renew(self, key: bytes, token: bytes, ttl: float) -> None:
        """By Redis' clock."""
        if not await self._client.run(RENEW, [CALL + key.hex()], [token, _milliseconds(ttl)]):
            raise lost_claim()

    async def finish(self, key: bytes, token: bytes, answer: bytes, ttl: float) -> bool:
        """Redis makes room by its own policy."""
        if is_too_large := len(answer) > self._max_answer:
            is_held = await self._client.run(ABANDON, [CALL + key.hex()], [token])
        else:
            is_held = await self._client.run(FINISH, [CALL + key.hex()], [token, answer, _milliseconds(ttl)])
        if not is_held:
            raise lost_claim()
        self.changes.announce(key)
        return not is_too_large

    async def abandon(self, key: bytes, token: bytes) -> None:
        """Who waits here asks again at once, who waits at another replica soon."""
        if await self._client.run(ABANDON, [CALL + key.hex()], [token]):
            self.changes.announce(key)

    async def keep_note(self, scope: bytes, key: bytes, note: bytes, ttl: float) -> None:  # noqa: ARG002  not counted, as for nonces
        """By Redis' clock."""
        await self._client.ask("SET", NOTE + key.hex(), note, "PX", _milliseconds(ttl))

    async def find_note(self, key: bytes) -> bytes | None:
        """The same for all replicas."""
        note: bytes | None = await self._client.ask("GET", NOTE + key.hex())
        return note

    def __repr__(self) -> str:
        return f"RedisState({self._client!r}, {self.changes!r})"


def _milliseconds(seconds: float) -> int:
    """Rounded up: nothing is forgotten early."""
    return -int(-seconds * 1000 // 1)
