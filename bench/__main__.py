"""`make bench`: what the gateway costs, beside calling the upstream directly and, with PEERS=1, beside its peers.

ROUNDS=n takes n rounds instead of three. WRITE=1, which implies PEERS=1, rewrites the tables in `bench/README.md` and
the sentence in the README.
"""

import os
import sys
from collections.abc import Sequence

from bench.cores import share_out
from bench.headline import write_headline
from bench.machine import describe_machine
from bench.mesh import ROOT, Runestone
from bench.peers import PEERS, RIVALS
from bench.refusal import NotMeasured
from bench.report import HEADLINE, TABLE, rewrite
from bench.session import Session, say
from bench.startup import measure_imports
from bench.table import write_caption, write_processes, write_table
from bench.targets import Contender

PATIENCE, PATIENCE_WITH_PEERS = 160.0, 600.0  # seconds for all rounds; what does not fit is left out


def main() -> None:
    """Measures, prints, and writes when asked to."""
    rounds, is_written = int(os.environ.get("ROUNDS", "3")), bool(os.environ.get("WRITE"))
    peers: Sequence[Contender] = PEERS if is_written or os.environ.get("PEERS") else ()
    try:
        cores = share_out(os.sched_getaffinity(0))
        machine = describe_machine()
        imports = measure_imports()
        os.sched_setaffinity(0, {cores.load})
        session = Session(cores=cores)
        patience = PATIENCE_WITH_PEERS if peers else PATIENCE
        rows = session.run([Runestone(), Runestone(one_process=True), *peers], rounds, patience)
    except NotMeasured as error:
        sys.exit(f"bench: {error}")
    tables = "\n\n".join(
        [
            write_table(rows),
            write_caption(rows, machine, session.taken, session.foreign),
            write_processes(rows, imports),
        ]
    )
    print(tables)
    sentence = write_headline(rows, RIVALS) if peers else None
    print(f"\n{sentence}" if sentence else "")
    if is_written:
        write(tables, sentence)


def write(tables: str, sentence: str | None) -> None:
    """Rewrites the documents; without a peer to compare with, the sentence stays as it is."""
    rewrite(ROOT / "bench" / "README.md", TABLE, tables)
    if sentence is None:
        say("no peer was measured: the README keeps its sentence")
    else:
        rewrite(ROOT / "README.md", HEADLINE, sentence)


if __name__ == "__main__":
    main()
