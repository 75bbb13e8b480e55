"""CPU and memory of a process and everything it started, read from /proc (proc(5))."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One process of a tree. `ticks` is its own CPU time and that of its children that ended and were waited for;
    `pid` and `started` together name it, for the kernel gives numbers out again."""

    pid: int
    parent: int
    started: int
    ticks: int


def parse_stat(text: str) -> Member:
    """From `/proc/<pid>/stat`. The name in parentheses may hold anything, parentheses included."""
    pid = int(text.split(" ", 1)[0])
    fields = text.rpartition(")")[2].split()
    return Member(pid=pid, parent=int(fields[1]), started=int(fields[19]), ticks=sum(map(int, fields[11:15])))


def pick_tree(members: Iterable[Member], root: int) -> list[Member]:
    """`root` and all its descendants, parents first."""
    children: dict[int, list[Member]] = {}
    queue: list[Member] = []
    for member in members:
        children.setdefault(member.parent, []).append(member)
        if member.pid == root:
            queue.append(member)
    for member in queue:  # grows while it is read
        queue += children.get(member.pid, [])
    return queue


def read_tree(root: int) -> list[Member]:
    """The tree as it is now; empty once `root` has ended."""
    return pick_tree(_read_all(), root)


def _read_all() -> Iterator[Member]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended while we looked
                yield parse_stat((entry / "stat").read_text())


def cpu_seconds(root: int) -> float:
    """User and system time of the tree since it began, processes that ended included.

    An ended child's time is its parent's from the moment it was waited for; until then it is a zombie, and still listed.
    """
    return sum(member.ticks for member in read_tree(root)) / TICK


def parse_pss(text: str) -> int:
    """KiB, from `/proc/<pid>/smaps_rollup`: pages shared by n processes count as 1/n."""
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def name_tree(root: int) -> dict[int, str]:
    """What runs in the tree, by process id."""
    names = {}
    for member in read_tree(root):
        with suppress(OSError):
            names[member.pid] = name_process((PROC / str(member.pid) / "cmdline").read_bytes())
    return names


def pss_by_process(root: int) -> dict[str, float]:
    """MiB of each process of the tree, by name; equals are added up."""
    found: dict[str, float] = {}
    for pid, name in name_tree(root).items():
        with suppress(OSError):
            found[name] = found.get(name, 0.0) + parse_pss((PROC / str(pid) / "smaps_rollup").read_text()) / 1024
    return found


def name_process(command_line: bytes) -> str:
    """What runs: the module of `python -m module`, the script of an interpreter, else the program."""
    words = [word for word in command_line.decode(errors="replace").split("\0") if word]
    if not words:
        return "?"
    if "-m" in words[1:-1]:
        return words[words.index("-m") + 1]
    program = Path(words[0].split(" ", 1)[0]).name.rstrip(":")
    scripts = [word for word in words[1:] if word.endswith((".js", ".py")) or "/bin/" in word]
    return Path(scripts[0]).name if program.startswith(("python", "node")) and scripts else program


def core_busy_seconds(core: int, read: Callable[[], str] = (PROC / "stat").read_text) -> float:
    """How long the core was not idle since the machine began, time stolen by a hypervisor included."""
    for line in read().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, line.split()[1:9])
            return (user + nice + system + interrupts + soft_interrupts + stolen) / TICK
    raise LookupError(f"the kernel does not list core {core}")
