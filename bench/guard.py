"""`make guard`: CPU of a call as a multiple of a yardstick measured in the same minute, beside the last landed figure.

It informs. It fails only when a case costs more than three times what landed, which noise does not reach; where nothing
can be measured it says why and passes. UPDATE=1 lands today's figures in `guard.json`.
"""

import json
import os
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import uvloop

from bench import yardstick
from bench.cases import BURST, CACHED, UNARY, ask_once
from bench.cores import Cores, share_out
from bench.direct import Direct
from bench.measurement import Subject, measure_case
from bench.mesh import Runestone
from bench.refusal import NotMeasured
from bench.targets import Contender, started
from bench.verdict import Costs, count_in, judge

LANDED = Path(__file__).with_name("guard.json")
CASES = (UNARY, CACHED, BURST)
ROUNDS = 2
PATIENCE = 22.0  # seconds after which no further round is begun; with the start and the stop, forty in all


def main() -> None:
    """Measures, tells, lands, judges."""
    try:
        cores = share_out(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores.load})
        now = measure(cores)
    except NotMeasured as error:
        print(f"guard: no figure: {error}")
        return
    verdict = judge(now, read_landed())
    print("\n".join(f"guard: {line}" for line in verdict.lines))
    if os.environ.get("UPDATE"):
        LANDED.write_text(json.dumps(asdict(now), indent=2) + "\n")
        print("guard: landed")
    elif verdict.exceeded:
        sys.exit(f"guard: FAILED: {', '.join(verdict.exceeded)}: more than three times the CPU that landed")


def measure(cores: Cores) -> Costs:
    """Yardstick and mesh by turns, so that both see the same machine. Raises NotMeasured."""
    began = time.monotonic()
    with ExitStack() as stack:
        upstream = _start(stack, Direct(), 0, cores.upstream)
        calibration = _start(stack, yardstick.Yardstick(), upstream.port, cores.gateway)
        mesh = _start(stack, Runestone(), upstream.port, cores.gateway)
        plan = [turn for case in CASES for turn in ((calibration, yardstick.CASE), (mesh, case))]
        seen: dict[str, list[float]] = {}
        for number in range(ROUNDS):
            if number == 0 or time.monotonic() - began < PATIENCE:
                for subject, case in plan:
                    sample = uvloop.run(measure_case(subject, case, cores))
                    seen.setdefault(case.name, []).append(sample.microseconds)
    costs = {name: statistics.median(values) for name, values in seen.items()}
    return count_in(costs.pop(yardstick.CASE.name), costs)


def _start(stack: ExitStack, contender: Contender, upstream_port: int, core: int) -> Subject:
    """Runs the contender as long as the stack is open."""
    manner = contender.manner(upstream_port)
    target = stack.enter_context(started(contender, upstream_port, core, ask_once(manner)))
    return Subject(
        name=contender.name,
        manner=manner,
        port=target.port,
        pid=target.pid,
        upstream_port=upstream_port or target.port,
    )


def read_landed() -> Costs | None:
    """What landed last; None before the first time."""
    if not LANDED.exists():
        return None
    return Costs(**json.loads(LANDED.read_text()))


if __name__ == "__main__":
    main()
