"""How much memory this process holds, and how much it may."""

import os
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
STATM = Path("/proc/self/statm")
CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LIMIT_FILES = {"": "memory.max", "memory": "memory/memory.limit_in_bytes"}  # of cgroup v2, and of v1 by controller
NO_LIMIT = 1 << 60  # v1 writes a number as large as this where there is none


def resident_size(statm: Path = STATM) -> int:
    """Bytes of memory that this process holds now (proc(5), statm); 0 where the system does not say."""
    try:
        return int(statm.read_bytes().split()[1]) * PAGE
    except OSError:
        return 0


def cgroup_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes that this process's control group and those around it may hold together (cgroups(7)); None when there is no bound."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    limits = [limit for line in lines for limit in _limits_of(line, cgroups)]
    return min(limits, default=None)


def _limits_of(line: str, cgroups: Path) -> list[int]:
    _, controllers, path = line.split(":", 2)
    for controller, file in LIMIT_FILES.items():
        if controller in controllers.split(","):
            base, name = cgroups / Path(file).parent, Path(file).name
            place = base / path.lstrip("/")
            groups = [group for group in (place, *place.parents) if group.is_relative_to(base)]
            return [limit for group in groups if (limit := _read_limit(group / name)) is not None]
    return []


def _read_limit(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:  # a container sees its own group at the top, under the path that the host has for it
        return None
    return int(text) if text.isdigit() and int(text) < NO_LIMIT else None
