"""`python -m bench.large_bodies`: what a body of 200 KB costs the whole mesh more than one of 1 KB.

Agents send their whole conversation with every call. Relayed, under the default pipeline, each question its own; the two sizes by turns, in
one mesh, and the median of the rounds.
"""

import os
import statistics
import sys
from dataclasses import replace

from bench.cases import UNARY
from bench.cores import share_out
from bench.figures import Row
from bench.mesh import Runestone
from bench.refusal import NotMeasured
from bench.session import Session

ROUNDS, PATIENCE = 3, 120.0  # PATIENCE in seconds
GOAL = 2.0  # CPU-ms
SMALL = replace(UNARY, name="1 KB")
LARGE = replace(UNARY, name="200 KB", turns=200, connections=8)


def main() -> None:
    """Measures and prints."""
    try:
        cores = share_out(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores.load})
        rows = Session(cores=cores, cases=(SMALL, LARGE), latency=0).run([Runestone()], ROUNDS, PATIENCE)
    except NotMeasured as error:
        sys.exit(f"bench: {error}")
    more = _middle(rows, LARGE.name) - _middle(rows, SMALL.name)
    verdict = "" if more <= GOAL else ", MISSED"
    print(
        f"a body of 200 KB costs {more:.2f} CPU-ms more than one of 1 KB over all processes; the goal is {GOAL:.0f} ms{verdict}"
    )


def _middle(rows: list[Row], name: str) -> float:
    (row,) = [row for row in rows if row.name == "runestone"]
    return statistics.median(row.figures[f"{name} µs"]) / 1e3


if __name__ == "__main__":
    main()
