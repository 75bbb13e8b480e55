"""`python -m bench.many_streams`: what a thousand streams at once take of memory, and whether that grows while they run.

Each is a paced answer of fifty events, asked again as soon as it has ended, over the whole mesh and its default pipeline. The mesh is on one
core, so that the streams are slower than their pace: what is looked at is memory, the proportional set size of all processes.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

import uvloop

from bench.accounting import pss_by_process
from bench.cases import PACED, Ask, ask_once
from bench.cores import Cores, share_out
from bench.direct import Direct
from bench.load import closed_loop
from bench.mesh import Runestone
from bench.refusal import NotMeasured
from bench.targets import Target, started

STREAMS = 1_000
WARM_UP, BETWEEN, READINGS = 15.0, 5.0, 6  # seconds
UNKEPT = b'"temperature":0', b'"temperature":1'  # no answer is kept, for a cache that fills grows
GOAL = 1.1  # the last reading as a multiple of the first


def main() -> None:
    """Measures and prints."""
    try:
        cores = share_out(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores.load})
        idle, readings, served = measure(cores)
    except NotMeasured as error:
        sys.exit(f"bench: {error}")
    first, last = readings[0], readings[-1]
    each = (last - idle) * 1024 / STREAMS
    verdict = "" if last <= first * GOAL else ", MISSED"
    print(
        f"idle {idle:.0f} MiB; with {STREAMS:,} streams, every {BETWEEN:.0f} s: {', '.join(f'{one:.0f}' for one in readings)}"
    )
    print(
        f"{each:.0f} KiB a stream; grown by {last / first - 1:.1%}, the goal is at most {GOAL - 1:.0%}{verdict}; {served:,} answers"
    )


def measure(cores: Cores) -> tuple[float, Sequence[float], int]:
    """MiB idle, MiB at each reading, answers by the end."""
    direct, mesh = Direct(), Runestone()
    with started(direct, 0, cores.upstream, ask_once(direct.manner(0))) as upstream:
        manner = mesh.manner(upstream.port)
        with started(mesh, upstream.port, cores.gateway, ask_once(manner)) as target:
            questions = PACED.questions(manner)
            idle = read_pss(target)
            readings, served = uvloop.run(watch(target, lambda: questions().replace(*UNKEPT)))
            return idle, readings, served


async def watch(target: Target, ask: Ask) -> tuple[Sequence[float], int]:
    """The readings, while all streams run."""
    readings = []
    async with closed_loop(target.port, ask, connections=STREAMS, stagger=5.0, is_stream=True) as tally:
        await asyncio.sleep(WARM_UP)
        for _ in range(READINGS):
            readings.append(read_pss(target))
            await asyncio.sleep(BETWEEN)
        served = tally.answers
    if tally.failures:
        raise NotMeasured(f"streams failed: {tally.failures}")
    return readings, served


def read_pss(target: Target) -> float:
    """MiB of all of its processes."""
    return sum(pss_by_process(target.pid).values())


if __name__ == "__main__":
    main()
