"""All that this edge holds of all limits. Pure: state in, decision out; times in microseconds of a clock that never steps back."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway_edge.limits.account import Account, Lease
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.limits.verdict import Verdict

MAX_LIMITS = 10_000
MAX_LEFTOVERS = 10_000

Limits = tuple[RequestLimit, ...]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What is left of a lease that is given up."""

    lease_id: str
    limit: RequestLimit
    units: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What ratelimit-svc said of some limits: how many calls it admitted, how each limit stands, and each limit's lease
    (its id and units; no units: none)."""

    admitted: int
    verdicts: list[Verdict]
    leases: list[tuple[str, int]]


class Hold:
    """One call's units: one of each limit that had any. Put back when left, unless `keep` was called."""

    __slots__ = ("_accounts", "_is_kept", "_leases", "_now")

    def __init__(self, accounts: list[Account], now: int) -> None:
        self._accounts = accounts
        self._leases = [account.take(now) for account in accounts]
        self._is_kept = False
        self._now = now

    @property
    def is_whole(self) -> bool:
        """Whether every limit had a unit, so that the call is admitted."""
        return None not in self._leases

    @property
    def lacking(self) -> Limits:
        """The limits that had none, for ratelimit-svc to decide."""
        return tuple(account.limit for account, lease in self._pairs() if lease is None)

    def find_low(self) -> Limits:
        """The limits whose lease should be renewed now; each lease is named once."""
        return tuple([account.limit for account in self._accounts if account.is_low(self._now)])

    def fill(self, decided: Iterable[Verdict] = ()) -> list[Verdict]:
        """How every limit stands: those that lacked a unit as `decided`, in their order."""
        if self.is_whole:
            return [account.view(self._now) for account in self._accounts]
        others = iter(decided)
        return [next(others) if lease is None else account.view(self._now) for account, lease in self._pairs()]

    def keep(self) -> None:
        """The call was admitted: its units are spent."""
        self._is_kept = True

    def put_back(self) -> None:
        """The call was not admitted: others may have its units."""
        for lease in self._leases:
            if lease is not None:
                lease.left += 1

    def _pairs(self) -> "zip[tuple[Account, Lease | None]]":
        return zip(self._accounts, self._leases, strict=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_kept:
            self.put_back()


class LeaseBook:
    """Accounts of at most `max_limits` limits; those used longest ago are given up first."""

    def __init__(self, max_limits: int = MAX_LIMITS) -> None:
        self._max_limits = max_limits
        self._accounts: OrderedDict[RequestLimit, Account] = OrderedDict()
        self._is_closed = False
        self._leftovers: deque[Leftover] = deque(maxlen=MAX_LEFTOVERS)  # beyond it they lapse without being returned

    def hold(self, limits: Sequence[RequestLimit], now: int) -> Hold:
        """Takes a unit of each limit that has one, for a call that just came."""
        accounts = [self._account(limit, now) for limit in limits]
        for account in accounts:
            account.use.note(now)
            account.used_at = now
            self._accounts.move_to_end(account.limit)
        return Hold(accounts, now)

    def hold_whole(self, limits: Sequence[RequestLimit], now: int) -> Hold | None:
        """The same for a call that has waited; nothing is taken unless every limit has a unit."""
        hold = Hold([self._account(limit, now) for limit in limits], now)
        if hold.is_whole:
            return hold
        hold.put_back()
        return None

    @contextmanager
    def asking(self, limits: Sequence[RequestLimit], now: int) -> Iterator[list[int]]:
        """How many units to ask for ahead, of each; they count as coming until the context is left."""
        accounts = [self._account(limit, now) for limit in limits]
        aheads = [0 if self._is_closed else account.count_ahead(now) for account in accounts]
        for account, ahead in zip(accounts, aheads, strict=True):
            account.pending += ahead
        try:
            yield aheads
        finally:
            for account, ahead in zip(accounts, aheads, strict=True):
                account.pending -= ahead

    def hear(self, limits: Sequence[RequestLimit], reply: Reply, asked_at: int, now: int) -> None:
        """Notes what ratelimit-svc said, and the leases that it granted."""
        for limit, verdict, (lease_id, units) in zip(limits, reply.verdicts, reply.leases, strict=True):
            account = self._account(limit, now)
            account.hear(verdict, now)
            if units:
                account.leases.append(Lease(lease_id, units, units, asked_at))

    def view(self, limits: Sequence[RequestLimit], now: int) -> list[Verdict]:
        """How they stand, as far as is known here."""
        return [self._account(limit, now).view(now) for limit in limits]

    def close(self) -> None:
        """From now on nothing is taken ahead."""
        self._is_closed = True

    def give_up(self, now: int, idle: int = 0) -> list[Leftover]:
        """What is left of limits that were not used for `idle`, and of those that had to make room; they are forgotten."""
        while self._accounts and next(iter(self._accounts.values())).used_at <= now - idle:
            self._evict()
        leftovers = list(self._leftovers)
        self._leftovers.clear()
        return leftovers

    def count_leases(self) -> int:
        """How many leases are held."""
        return sum(len(account.leases) for account in self._accounts.values())

    def count_units(self, now: int) -> int:
        """How many leased units may still be spent."""
        return sum(account.units(now) for account in self._accounts.values())

    def _account(self, limit: RequestLimit, now: int) -> Account:
        account = self._accounts.get(limit)
        if account is None:
            if len(self._accounts) >= self._max_limits:
                self._evict()
            account = self._accounts[limit] = Account(limit, now)
        return account

    def _evict(self) -> None:
        limit, account = self._accounts.popitem(last=False)
        self._leftovers += [Leftover(lease.id, limit, lease.left) for lease in account.leases if lease.left > 0]
        account.leases.clear()  # a call that still knows the account finds nothing to spend twice

    def __len__(self) -> int:
        return len(self._accounts)

    def __repr__(self) -> str:
        return f"LeaseBook({self.count_leases()} leases of {len(self)} limits)"
