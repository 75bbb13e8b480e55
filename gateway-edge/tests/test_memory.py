"""How much memory a process holds and may hold, as Linux says it."""

from mmap import mmap
from pathlib import Path

import pytest

from gateway_edge.protection.memory import cgroup_limit, resident_size


def test_a_process_that_takes_memory_holds_more() -> None:
    """Pages of its own: what the allocator gives may have been held before."""
    before = resident_size()
    with mmap(-1, 64 << 20) as taken:
        for page in range(0, len(taken), 4096):
            taken[page] = 1
        assert resident_size() - before > 48 << 20


def test_where_the_system_does_not_say_it_is_nothing(tmp_path: Path) -> None:
    assert resident_size(tmp_path / "statm") == 0
    assert cgroup_limit(tmp_path, tmp_path / "cgroup") is None


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/", {"memory.max": "1000"}, 1000),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/", {}, None),
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "500", "memory.max": "900"}, 500),
        ("0::/unseen/here", {"memory.max": "700"}, 700),
        ("3:memory:/p", {"memory/p/memory.limit_in_bytes": "600"}, 600),
        ("3:memory:/p", {"memory/p/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("4:cpu,memory:/\n1:name=systemd:/x\n0::/y", {"memory/memory.limit_in_bytes": "800"}, 800),
    ],
)
def test_the_tightest_limit_around_the_process_counts(
    tmp_path: Path, membership: str, files: dict[str, str], limit: int | None
) -> None:
    groups = tmp_path / "cgroups"
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{text}\n")
    (tmp_path / "membership").write_text(f"{membership}\n")
    assert cgroup_limit(groups, tmp_path / "membership") == limit
