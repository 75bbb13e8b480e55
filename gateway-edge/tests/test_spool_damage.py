"""Properties of the spool under random appends, shipping, kills and damage."""

import contextlib
import itertools
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from structlog.testing import capture_logs

from gateway_edge.spool.spool import Spool


class SpoolLife(RuleBasedStateMachine):
    """One worker's spool over many lives. The model is the list of records that must still come out.

    Every record is another number, so that a record that comes out tells which one it was.
    """

    def __init__(self):
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="rs-spool-"))
        self.count = 0
        self.expected = []  # must come out, in this order
        self.shipped = set()
        self.may_come = set()  # shipped before a kill, or behind damage
        self.damaged = set()
        self.where = {}  # record -> (file, offset behind its frame)
        self.stack = contextlib.ExitStack()
        self.stack.enter_context(capture_logs())
        names = (f"{number:016x}" for number in itertools.count())  # chance would make failures unrepeatable
        self.stack.enter_context(mock.patch("secrets.token_hex", side_effect=names))
        self.spool = None
        self.begin()

    def begin(self):
        self.spool = Spool(self.root, 0, 1 << 20, segment_bytes=60)
        self.spool.adopt_orphans()

    @rule(size=st.integers(1, 30))
    def append(self, size):
        record = b"%06d" % self.count + bytes(size)
        self.count += 1
        self.spool.append(record)
        segment = self.spool._own._segments[-1]
        self.where[record] = (segment.path, segment.size)
        if segment.path in self.damaged:
            self.may_come.add(record)
        else:
            self.expected.append(record)

    @rule(batches=st.integers(1, 4), max_records=st.integers(1, 5))
    def ship(self, batches, max_records):
        for _ in range(batches):
            if (batch := self.spool.peek(max_records)) is None:
                assert self.expected == []
                return
            self.take(batch.records)
            self.spool.acknowledge(batch)

    def take(self, records):
        """What comes out is the next that is expected, or something that may come again."""
        for record in records:
            if self.expected and record == self.expected[0]:
                self.expected.pop(0)
            else:
                assert record in self.may_come, record
            self.shipped.add(record)

    @rule()
    def kill_and_restart(self):
        """The files stay, the locks go; the next life adopts every directory, oldest first by name."""
        for directory in (*self.spool._adopted, self.spool._own):
            for segment in directory._segments:
                segment.seal()
            directory._lock.release()
        self.may_come |= self.shipped
        self.begin()
        waiting = len(self.expected)
        self.expected = [record for path in self.directories() for record in self.expected if self.is_in(record, path)]
        assert len(self.expected) == waiting

    def directories(self):
        return [directory.path for directory in (*self.spool._adopted, self.spool._own)]

    def is_in(self, record, directory):
        return self.where[record][0].parent == directory

    @precondition(lambda self: self.files())
    @rule(which=st.integers(0, 99), where=st.integers(0, 199))
    def cut(self, which, where):
        """A segment is cut at any byte, as a crash in the middle of a write does."""
        file, position = self.choose(which, where)
        with file.open("r+b") as handle:
            handle.truncate(position)
        self.forget_behind(file, position)

    @precondition(lambda self: self.files())
    @rule(which=st.integers(0, 99), where=st.integers(0, 199), bit=st.integers(0, 7))
    def flip(self, which, where, bit):
        """A bit of a segment turns."""
        file, position = self.choose(which, where)
        content = bytearray(file.read_bytes())
        content[position] ^= 1 << bit
        with file.open("r+b") as handle:
            handle.write(content)
        self.forget_behind(file, position)

    def files(self):
        return sorted(file for file in self.root.glob("*/*.log") if file.stat().st_size)

    def choose(self, which, where):
        files = self.files()
        file = files[which % len(files)]
        return file, where % file.stat().st_size

    def forget_behind(self, file, position):
        """Of a damaged segment only what ends before the damage must come out; the rest may."""
        self.damaged.add(file)
        gone = {record for record, (path, end) in self.where.items() if path == file and end > position}
        self.expected = [record for record in self.expected if record not in gone]
        self.may_come |= gone

    @invariant()
    def the_bound_counts_all_that_stands_on_disk(self):
        """Damage may have made a file shorter than it was written, never longer."""
        assert self.spool.size >= sum(file.stat().st_size for file in self.files())

    def teardown(self):
        """Whatever happened: all that was written before the damage comes out in order, nothing is invented."""
        try:
            while (batch := self.spool.peek()) is not None:
                self.take(batch.records)
                self.spool.acknowledge(batch)
            assert self.expected == []
            assert list(self.root.glob("*/*.log")) == []
            self.spool.close()
            assert list(self.root.iterdir()) == []
        finally:
            self.stack.close()
            shutil.rmtree(self.root, ignore_errors=True)


TestSpoolLife = SpoolLife.TestCase
TestSpoolLife.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
