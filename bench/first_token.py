"""`python -m bench.first_token`: how much later a stream's first chunk comes than it would from the upstream itself.

One stream after the other, each question its own, over the whole mesh and its default pipeline; the upstream answers at once, so that
all the time there is, is ours. Several rounds by turns, of which the calmest counts: other work on the machine only adds.
"""

import os
import sys
from collections.abc import Sequence

import uvloop

from bench.cases import BURST, Case, ask_once
from bench.cores import Cores, share_out
from bench.direct import Direct
from bench.figures import quantile
from bench.measurement import Subject, measure_case
from bench.mesh import Runestone
from bench.refusal import NotMeasured
from bench.targets import started

ROUNDS = 5
GOAL = 1.0  # milliseconds at the median
ALONE = Case(name="one stream at a time", connections=1, seconds=2, warm_up=1, is_stream=True, model=BURST.model)


def main() -> None:
    """Measures and prints."""
    try:
        cores = share_out(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores.load})
        added = measure(cores)
    except NotMeasured as error:
        sys.exit(f"bench: {error}")
    p50, p99 = (min(one) * 1e3 for one in added)
    verdict = "" if p50 <= GOAL else ", MISSED"
    print(
        f"a stream's first chunk comes {p50:.2f} ms later at p50, {p99:.2f} ms at p99; the goal is {GOAL:.0f} ms at p50{verdict}"
    )


def measure(cores: Cores) -> tuple[list[float], list[float]]:
    """What each round added, seconds, at p50 and at p99."""
    direct, mesh = Direct(), Runestone()
    p50, p99 = [], []
    with started(direct, 0, cores.upstream, ask_once(direct.manner(0))) as upstream:
        plain = Subject(
            name=direct.name, manner=direct.manner(0), port=upstream.port, pid=upstream.pid, upstream_port=upstream.port
        )
        manner = mesh.manner(upstream.port)
        with started(mesh, upstream.port, cores.gateway, ask_once(manner)) as target:
            ours = Subject(name=mesh.name, manner=manner, port=target.port, pid=target.pid, upstream_port=upstream.port)
            for _ in range(ROUNDS):
                alone, through = (_first_chunks(subject, cores) for subject in (plain, ours))
                p50.append(quantile(through, 0.5) - quantile(alone, 0.5))
                p99.append(quantile(through, 0.99) - quantile(alone, 0.99))
    return p50, p99


def _first_chunks(subject: Subject, cores: Cores) -> Sequence[float]:
    return uvloop.run(measure_case(subject, ALONE, cores)).tally.first_parts


if __name__ == "__main__":
    main()
