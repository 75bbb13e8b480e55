"""The spool: nothing that was appended is lost, order holds, the bound holds."""

import errno
import os
import resource
import subprocess
import sys
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from gateway_edge.spool import spool as spool_module
from gateway_edge.spool.spool import Spool

MAX = 1 << 20


def open_spool(root, worker=0, max_bytes=MAX, segment_bytes=64):
    return Spool(root, worker, max_bytes, segment_bytes)


def ship_all(spool, max_records=500, max_bytes=1 << 20):
    """Reads and acknowledges until nothing waits."""
    found = []
    while (batch := spool.peek(max_records, max_bytes)) is not None:
        found += batch.records
        spool.acknowledge(batch)
    return found


def die(spool):
    """What kill -9 leaves: the files as they are, the locks gone."""
    for directory in (spool._own, *spool._adopted):
        for segment in directory._segments:
            segment.seal()
        directory._lock.release()


def fail():
    raise OSError(errno.EIO, "the disk fails")


def segment_files(root):
    return sorted(root.glob("*/*.log"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def spool(root):
    spool = open_spool(root)
    yield spool
    spool.close()


@contextmanager
def disk_full_at(size):
    """No file can grow beyond `size` bytes: a write takes what fits, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs() as logs:  # pytest's own capture is a file on the same disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield logs
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_records_come_out_in_the_order_they_went_in(spool):
    """Over many segments."""
    records = [b"record %d" % number for number in range(50)]
    for record in records:
        spool.append(record)
    assert ship_all(spool, max_records=3) == records


def test_an_append_wakes_the_reader(spool):
    """The shipper sleeps until there is something."""
    assert not spool.appended.is_set()
    spool.append(b"a")
    assert spool.appended.is_set()


def test_what_is_not_acknowledged_is_given_again(spool):
    """A shipper that failed asks again and gets the same."""
    spool.append(b"a")
    spool.append(b"b")
    assert spool.peek().records == spool.peek().records == (b"a", b"b")


def test_appends_between_peek_and_acknowledge_stay(spool):
    """An acknowledgement covers its batch only."""
    spool.append(b"a")
    batch = spool.peek()
    spool.append(b"b")
    spool.acknowledge(batch)
    assert ship_all(spool) == [b"b"]


def test_acknowledging_twice_forgets_nothing_else(spool):
    """The same word said again."""
    spool.append(b"a")
    batch = spool.peek()
    spool.acknowledge(batch)
    spool.append(b"b")
    spool.acknowledge(batch)
    assert ship_all(spool) == [b"b"]


def test_a_batch_is_bounded_in_records_and_bytes(root):
    """A frame has 8 bytes of head; one record is given whatever its size."""
    spool = open_spool(root, segment_bytes=MAX)
    for _ in range(5):
        spool.append(bytes([1]) * 12)
    assert len(spool.peek(max_records=2).records) == 2
    assert len(spool.peek(max_bytes=60).records) == 3
    assert len(spool.peek(max_bytes=1).records) == 1
    spool.close()


def test_the_last_batch_says_so(root):
    """The shipper goes on at once while more is waiting."""
    spool = open_spool(root, segment_bytes=MAX)
    spool.append(b"a")
    spool.append(b"b")
    assert not spool.peek(max_records=1).is_last
    assert spool.peek().is_last
    spool.close()


def test_an_acknowledged_spool_is_empty_on_disk(spool, root):
    """Segments are deleted as soon as all of them is acknowledged, the active one too."""
    for number in range(20):
        spool.append(b"record %d" % number)
    assert len(segment_files(root)) > 1
    ship_all(spool)
    assert segment_files(root) == []
    assert spool.size == 0


def test_a_segment_stays_until_its_last_record_is_acknowledged(root):
    """A kill before that sends the whole segment again rather than lose a record."""
    spool = open_spool(root, segment_bytes=MAX)
    spool.append(b"a")
    spool.append(b"b")
    spool.acknowledge(spool.peek(max_records=1))
    assert len(segment_files(root)) == 1
    die(spool)
    heir = open_spool(root)
    assert heir.adopt_orphans() == 1
    assert ship_all(heir) == [b"a", b"b"]
    heir.close()


def test_the_bound_makes_it_full_and_shipping_makes_room(root):
    """At the bound new calls are refused; records of running calls are still kept."""
    spool = open_spool(root, max_bytes=100)
    while not spool.is_full:
        spool.append(bytes([1]) * 12)
    assert spool.size == 100
    spool.append(b"of a running call")
    assert len(ship_all(spool)) == 6
    assert not spool.is_full
    spool.close()


def test_a_full_disk_holds_records_back_in_order_and_loses_none(root):
    """A write that fails, also in its middle, makes the spool full until the disk takes everything again."""
    spool = open_spool(root, segment_bytes=MAX)
    with disk_full_at(50) as logs:
        for number in range(6):
            spool.append(b"record %02d...." % number)
        assert spool.is_full
        assert spool.size == 42
    assert [line["event"] for line in logs] == ["the audit spool cannot be written; new calls are refused"]
    assert ship_all(spool) == [b"record %02d...." % number for number in range(6)]
    assert not spool.is_full
    spool.close()


def test_what_was_held_back_is_written_before_the_next_record(root):
    """Order holds across a full disk, on disk too."""
    spool = open_spool(root, segment_bytes=MAX)
    with disk_full_at(30):
        for number in range(4):
            spool.append(b"record %02d...." % number)
    spool.append(b"record 04....")
    assert not spool.is_full
    die(spool)
    heir = open_spool(root)
    heir.adopt_orphans()
    assert ship_all(heir) == [b"record %02d...." % number for number in range(5)]
    assert heir.statistics().corrupt_frames == 0
    heir.close()


def test_a_torn_write_that_cannot_be_cut_back_ends_its_segment(root, monkeypatch):
    """What follows goes to a new segment, where the torn frame does not hide it."""
    spool = open_spool(root, segment_bytes=MAX)
    spool.append(b"record 00")
    with disk_full_at(20), monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda descriptor, size: fail())
        spool.append(b"record 01")
    spool.append(b"record 02")
    die(spool)
    heir = open_spool(root)
    heir.adopt_orphans()
    assert ship_all(heir) == [b"record 00", b"record 01", b"record 02"]
    assert heir.statistics().corrupt_frames == 1
    heir.close()


def test_a_log_on_the_same_full_disk_costs_no_record(root):
    """The complaint about the disk fails too; the record is kept and the call is not disturbed."""

    class FullLog:
        def error(self, event, **facts):
            raise OSError(errno.ENOSPC, event)

    spool = Spool(root, 0, MAX, log=FullLog())
    with disk_full_at(0):
        spool.append(b"a")
    assert ship_all(spool) == [b"a"]
    spool.close()


def test_memory_is_bounded_while_the_disk_is_full(root, monkeypatch):
    """Beyond the bound a record is lost, counted and logged; never silently."""
    monkeypatch.setattr(spool_module, "BACKLOG_BYTES", 50)
    spool = open_spool(root)
    with disk_full_at(0) as logs:
        for number in range(5):
            spool.append(b"record %02d...." % number)
    assert spool.statistics().lost == 3
    assert sum("lost" in line["event"] for line in logs) == 3
    assert ship_all(spool) == [b"record 00....", b"record 01...."]
    spool.close()


def test_an_orphan_is_adopted_at_runtime_and_removed_when_shipped(root):
    """A worker that was killed leaves its records to any living one."""
    living, dead = open_spool(root, worker=0), open_spool(root, worker=1)
    dead.append(b"of the dead")
    living.append(b"of the living")
    assert living.adopt_orphans() == 0
    die(dead)
    assert living.adopt_orphans() == 1
    assert living.statistics().adopted == 1
    assert ship_all(living) == [b"of the dead", b"of the living"]
    assert [path.name for path in root.iterdir()] == [living._own.path.name]
    living.close()


def test_an_orphan_is_adopted_once(root):
    """Two living workers do not both ship it."""
    dead = open_spool(root)
    dead.append(b"a")
    die(dead)
    first, second = open_spool(root), open_spool(root)
    assert (first.adopt_orphans(), second.adopt_orphans(), first.adopt_orphans()) == (1, 0, 0)
    first.close()
    second.close()


def test_an_orphan_that_does_not_fit_is_left_to_a_worker_with_room(root):
    """Adoption does not make a living worker refuse calls; an idle one takes any orphan."""
    dead = open_spool(root)
    for _ in range(10):
        dead.append(b"x" * 12)
    die(dead)
    busy, idle = open_spool(root, max_bytes=219), open_spool(root, max_bytes=199)
    busy.append(b"x" * 12)
    assert (busy.adopt_orphans(), idle.adopt_orphans()) == (0, 1)
    assert (busy.is_full, idle.is_full) == (False, True)
    ship_all(idle)
    assert not idle.is_full
    busy.close()
    idle.close()


def test_closing_leaves_what_waits_to_the_next(root):
    """A restart ships what its predecessor could not."""
    spool = open_spool(root)
    spool.append(b"a")
    spool.close()
    heir = open_spool(root)
    assert heir.adopt_orphans() == 1
    assert ship_all(heir) == [b"a"]
    heir.close()
    assert list(root.iterdir()) == []


def test_a_segment_that_is_gone_does_not_hide_the_next(root):
    """Somebody removed a file by hand: counted, and reading goes on."""
    spool = open_spool(root, segment_bytes=1)
    for record in (b"a", b"b", b"c"):
        spool.append(record)
    segment_files(root)[0].unlink()
    segment_files(root)[-1].unlink()
    assert ship_all(spool) == [b"b", b"c"]  # the open segment is still in its owner's hands
    assert spool.statistics().corrupt_frames == 1
    spool.close()


def test_damage_is_counted_and_said(root):
    """Operators see which file, where, and how much was given up."""
    spool = open_spool(root, segment_bytes=20)
    for record in (b"first", b"second", b"third"):
        spool.append(record)
    file = segment_files(root)[0]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with capture_logs() as logs:
        assert ship_all(spool) == [b"first", b"third"]
    assert spool.statistics().corrupt_frames == 1
    assert [(line["offset"], line["lost_bytes"]) for line in logs] == [(13, 14)]
    spool.close()


def test_only_the_owner_can_read_the_spool(spool, root):
    """Records name tenants and client addresses."""
    spool.append(b"a")
    spool.rejected.keep(b"b", "bad", 1.0)
    assert {path.stat().st_mode & 0o077 for path in (root, *root.rglob("*"))} == {0}


def test_repr_shows_live_numbers(spool, root):
    """What an operator sees in a debugger."""
    spool.append(b"abc")
    assert repr(spool) == f"Spool({root}, 11 of {MAX} bytes, 1 records)"


def test_records_survive_kill_9(root):
    """A real process, killed between two appends: all that it said it appended comes out."""
    program = """
import sys, pathlib, itertools
from gateway_edge.spool.spool import Spool
spool = Spool(pathlib.Path(sys.argv[1]), 7, 1 << 20, 4096)
for number in itertools.count():
    spool.append(b"record %d" % number)
    print(number, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(root)], stdout=subprocess.PIPE) as process:
        appended = [int(process.stdout.readline()) for _ in range(500)]
        heir = open_spool(root)
        assert heir.adopt_orphans() == 0
        process.kill()
        appended += map(int, process.stdout.read().split())
    assert heir.adopt_orphans() == 1
    found = ship_all(heir)
    assert found[: len(appended)] == [b"record %d" % number for number in appended]
    assert len(found) <= len(appended) + 1
    heir.close()
