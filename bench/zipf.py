"""`python -m bench.zipf`: what share of calls a cache answers, by which entry it gives up when it is full.

100,000 calls over 20,000 questions, the n-th asked for 1/n as often as the first (Zipf 1.0); a loop over more questions than
there is room for; and the first trace with a scan, questions asked once, in every third call. Beside the policies stands the
optimum, which knows the future and gives up what is asked for last (L. A. Belady, IBM Systems Journal 5(2), 1966). CPU is that of the
policy alone, for one call. The seed is fixed: hit rates are the same each time.
"""

import heapq
import random
import time
from bisect import bisect
from collections.abc import Callable, Iterable
from itertools import accumulate

from cache_svc.eviction.lru import Lru
from cache_svc.eviction.policy import Policy
from cache_svc.eviction.tiny_lfu import TinyLfu

CALLS, QUESTIONS, SEED = 100_000, 20_000, 1
SIZES = (500, 1_000, 2_000, 5_000)  # entries
LOOP = 6_000  # questions, more than any cache here holds
ENTRY = 1_000  # bytes

Trace = list[bytes]
POLICIES: dict[str, Callable[[int], Policy]] = {
    "LRU": lambda _entries: Lru(),
    "W-TinyLFU": lambda entries: TinyLfu(entries, entries * ENTRY, ENTRY),
}


def make_zipf(seed: int = SEED) -> Trace:
    """The questions as keys, in the order in which they are asked."""
    dice = random.Random(seed)
    names = [dice.randbytes(32) for _ in range(QUESTIONS)]
    shares = list(accumulate(1 / rank for rank in range(1, QUESTIONS + 1)))
    return [names[bisect(shares, dice.random() * shares[-1])] for _ in range(CALLS)]


def make_loop() -> Trace:
    """Round and round."""
    names = [random.Random(number).randbytes(32) for number in range(LOOP)]
    return [names[number % LOOP] for number in range(CALLS)]


def make_scan() -> Trace:
    """Every third call asks what nobody asks again."""
    dice = random.Random(SEED)
    return [dice.randbytes(32) if number % 3 == 2 else name for number, name in enumerate(make_zipf())]


def replay(trace: Trace, policy: Policy, entries: int) -> float:
    """The share of calls that were answered."""
    held: set[bytes] = set()
    hits = 0
    for key in trace:
        if key in held:
            hits += 1
            policy.touch(key)
            continue
        policy.add(key, ENTRY)
        held.add(key)
        if len(held) > entries:
            held.remove(policy.give_up())
    return hits / len(trace)


def replay_optimum(trace: Trace, entries: int) -> float:
    """The share that could be answered at best. The heap holds stale turns, too: those before the key's present one."""
    following = _list_next_turns(trace)
    held: dict[bytes, int] = {}
    last: list[tuple[int, bytes]] = []
    hits = 0
    for key, turn in zip(trace, following, strict=True):
        hits += key in held
        held[key] = turn
        heapq.heappush(last, (-turn, key))
        while len(held) > entries:
            turn_of_victim, victim = heapq.heappop(last)
            if held.get(victim) == -turn_of_victim:
                del held[victim]
    return hits / len(trace)


def _list_next_turns(trace: Trace) -> list[int]:
    """When the key of each call is asked for again; never is behind all others."""
    seen: dict[bytes, int] = {}
    turns = []
    for number, key in enumerate(reversed(trace)):
        turns.append(seen.get(key, 2 * len(trace)))
        seen[key] = len(trace) - number
    return turns[::-1]


def tell(name: str, trace: Trace) -> Iterable[str]:
    """A table of hit rates, and of microseconds a call."""
    yield f"\n| {name} | {' | '.join(f'{size:,}' for size in SIZES)} | us/call |"
    yield f"| --- |{' ---: |' * (len(SIZES) + 1)}"
    for policy, make in POLICIES.items():
        began = time.process_time()
        rates = [replay(trace, make(size), size) for size in SIZES]
        spent = (time.process_time() - began) * 1e6 / len(trace) / len(SIZES)
        yield f"| {policy} | {' | '.join(f'{rate:.1%}' for rate in rates)} | {spent:.2f} |"
    optimum = [replay_optimum(trace, size) for size in SIZES]
    yield f"| optimum | {' | '.join(f'{rate:.1%}' for rate in optimum)} | - |"


def main() -> None:
    """Prints a table for each trace."""
    for name, trace in {"Zipf": make_zipf(), "loop": make_loop(), "Zipf and scan": make_scan()}.items():
        for line in tell(name, trace):
            print(line, flush=True)


if __name__ == "__main__":
    main()
