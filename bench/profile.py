"""`make profile`: a flame graph of each process of the mesh, taken by py-spy while it is asked as fast as it answers.

python -m bench.profile [--case unary|cached|burst|paced] [--out FOLDER] [--seconds 10]
"""

import argparse
import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import uvloop

from bench.accounting import name_tree
from bench.cases import CASES, UNARY, Case, ask_once
from bench.cores import share_out
from bench.direct import Direct
from bench.load import closed_loop
from bench.mesh import ROOT, Runestone
from bench.refusal import NotMeasured
from bench.targets import Target, started

RATE = 200  # samples a second; each stops the process for a moment
WARM_UP = 1.0  # seconds of load before the first sample
MARGIN = 60.0  # seconds that a sampler has to write its graph


def main() -> None:
    """Starts the mesh, asks it, writes one SVG a process."""
    options = read_options()
    mesh, direct = Runestone(), Direct()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        cores = share_out(os.sched_getaffinity(0))
        sampler = find_sampler()
        os.sched_setaffinity(0, {cores.load})
        with started(direct, 0, cores.upstream, ask_once(direct.manner(0))) as upstream:
            question = ask_once(mesh.manner(upstream.port))
            with started(mesh, upstream.port, cores.gateway, question) as target:
                graphs = uvloop.run(record(sampler, target, options.case, options.out, options.seconds))
    except NotMeasured as error:
        sys.exit(f"profile: {error}")
    print("\n".join(str(graph) for graph in graphs))


def read_options() -> argparse.Namespace:
    """The command line's."""
    cases = {case.name: case for case in CASES}
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="flame graphs of the mesh under load")
    parser.add_argument("--out", type=Path, default=ROOT / ".runestone" / "profile", help="folder of the SVG files")
    parser.add_argument("--seconds", type=int, default=10, help="how long samples are taken")
    parser.add_argument("--case", choices=cases, default=UNARY.name, help="what is asked")
    options = parser.parse_args()
    options.case = cases[options.case]
    return options


def find_sampler() -> str:
    """py-spy's path. Raises NotMeasured when it is not installed."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise NotMeasured("py-spy is not installed; `make profile` installs it")
    return found


async def record(sampler: str, target: Target, case: Case, out: Path, seconds: int) -> list[Path]:
    """The graphs' files, one a process. Raises NotMeasured when a process could not be sampled, or a question failed."""
    ask = case.questions(Runestone().manner(0))
    async with closed_loop(
        target.port, ask, connections=case.connections, stagger=case.stagger, is_stream=case.is_stream
    ) as tally:
        await asyncio.sleep(WARM_UP)
        work = [
            _sample(sampler, pid, out / f"{name}.svg", seconds) for pid, name in sorted(name_tree(target.pid).items())
        ]
        graphs = await asyncio.gather(*work)
    if tally.failures:
        raise NotMeasured(f"questions failed while sampling: {tally.failures}")
    return graphs


async def _sample(sampler: str, pid: int, graph: Path, seconds: int) -> Path:
    words = ["record", "--pid", str(pid), "--output", str(graph), "--duration", str(seconds), "--rate", str(RATE)]
    process = await asyncio.create_subprocess_exec(sampler, *words, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds + MARGIN)
    except TimeoutError as late:
        process.kill()
        raise NotMeasured(f"{graph.stem}: py-spy does not end") from late
    if process.returncode:
        raise NotMeasured(f"{graph.stem}: py-spy cannot sample it (it needs ptrace): {said.decode()[-500:].strip()}")
    return graph


if __name__ == "__main__":
    main()
