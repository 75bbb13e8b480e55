"""Credits and parts: what goes in comes out, and nobody runs ahead of a consumer that has stopped."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from chassis.mux.flow import AHEAD, OVERHEAD, PART, WINDOW, Inflow, Outflow, Piece

LARGE = 8 << 20

sizes = st.one_of(
    st.integers(0, 64),
    st.sampled_from([PART - 1, PART, PART + 1, 2 * PART, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 7]),
    st.integers(0, 1 << 20),
)
programs = st.lists(st.tuples(sizes, st.integers(0, 255)), max_size=12)
unhurried = settings(deadline=None, max_examples=60)


class Wire:
    """A producer and a consumer of one direction, and what is between them."""

    def __init__(self) -> None:
        self.outflow, self.inflow = Outflow(), Inflow(LARGE)
        self.travelling: deque[Piece] = deque()
        self.arrived: deque[bytes] = deque()
        self.consumed: list[bytes] = []
        self.uncredited = self.most_uncredited = 0

    def offer(self, message: bytes) -> None:
        self._send(self.outflow.offer(message))

    def deliver(self) -> None:
        """One piece arrives."""
        piece = self.travelling.popleft()
        message = self.inflow.take(bytes(piece.data), more=piece.more)
        if message is not None:
            self.arrived.append(message)
        self._grant()

    def consume(self) -> None:
        """The consumer takes one message."""
        message = self.arrived.popleft()
        self.consumed.append(message)
        self.inflow.consume()
        self._grant()

    def run_dry(self) -> None:
        """Everything arrives and is consumed."""
        while self.travelling or self.arrived:
            while self.travelling:
                self.deliver()
            while self.arrived:
                self.consume()

    def _grant(self) -> None:
        if credit := self.inflow.credit_due():
            self.uncredited -= credit
            self._send(self.outflow.add_credit(credit))

    def _send(self, pieces) -> None:
        for piece in pieces:
            assert len(piece.data) <= PART
            self.travelling.append(piece)
            self.uncredited += len(piece.data) + OVERHEAD
            self.most_uncredited = max(self.most_uncredited, self.uncredited)


@unhurried
@given(programs, st.lists(st.sampled_from(["deliver", "consume"]), max_size=60))
def test_what_comes_out_is_what_went_in_whatever_the_order(program, steps):
    """A message of any size, larger than the window too, gets through as soon as somebody consumes."""
    wire, turns = Wire(), deque(steps)
    messages = [bytes([filling]) * size for size, filling in program]
    for message in messages:
        wire.offer(message)
        while turns and turns[0] == "deliver":
            turns.popleft()
            if wire.travelling:
                wire.deliver()
        if turns and turns.popleft() and wire.arrived:
            wire.consume()
    wire.run_dry()
    assert wire.consumed == messages
    assert not wire.outflow.is_blocked


@unhurried
@given(programs, st.lists(st.booleans(), max_size=40))
def test_a_producer_is_ahead_by_the_window_and_one_part_at_most(program, consumes):
    wire = Wire()
    for (size, filling), consume in zip(program, [*consumes, *[False] * len(program)], strict=False):
        wire.offer(bytes([filling]) * size)
        while wire.travelling:
            wire.deliver()
        if consume and wire.arrived:
            wire.consume()
    wire.run_dry()
    assert wire.most_uncredited <= AHEAD


@unhurried
@given(programs)
def test_credit_comes_back_but_for_what_was_not_worth_a_frame(program):
    wire = Wire()
    for size, filling in program:
        wire.offer(bytes([filling]) * size)
        wire.run_dry()
    assert WINDOW - WINDOW // 4 < wire.outflow._credit <= WINDOW
    assert wire.uncredited == wire.inflow._owed == WINDOW - wire.outflow._credit


@unhurried
@given(programs)
def test_a_consumer_that_stops_stops_its_producer(program):
    """However large the messages are: what has arrived and is not consumed is bounded by the window and one message."""
    wire = Wire()
    for size, filling in program:
        wire.offer(bytes([filling]) * size)
        while wire.travelling:
            wire.deliver()
    held = sum(map(len, wire.arrived)) + wire.inflow._size
    first = program[0][0] if program else 0
    assert held <= first + AHEAD
    offered = sum(size for size, _ in program)
    assert wire.outflow.is_blocked == (held < offered or len(wire.arrived) < len(program))


def test_empty_messages_cost_something():
    """Or a producer could be ahead by any number of them."""
    outflow = Outflow()
    sent = sum(len(list(outflow.offer(b""))) for _ in range(WINDOW))
    assert sent == WINDOW // OVERHEAD
    assert outflow.is_blocked


@given(st.integers(1, 3 * WINDOW))
def test_a_message_that_grows_too_large_is_refused_as_soon_as_it_does(limit):
    inflow, taken = Inflow(limit), 0
    with pytest.raises(RunestoneError, match=f"larger than {limit} ") as refusal:
        while taken <= limit + PART:
            inflow.take(b"x" * PART, more=True)
            inflow.credit_due()
            taken += PART
    assert refusal.value.reason is Reason.OVERLOADED
    assert limit - PART < taken <= limit


@pytest.mark.parametrize(("size", "more"), [(0, False), (1, False), (PART, False), (PART, True)])
def test_a_sender_that_ignores_its_credit_is_refused(size, more):
    """Memory stays bounded whatever the other side does: with whole messages, with parts, with empty ones."""
    inflow, taken = Inflow(LARGE), 0
    with pytest.raises(RunestoneError, match="credit"):
        while taken <= 2 * AHEAD:
            inflow.take(b"x" * size, more=more)
            taken += size + OVERHEAD
    assert AHEAD - size - OVERHEAD < taken <= AHEAD


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART + 1])
def test_only_a_last_part_may_be_shorter_than_the_others(size):
    """Any number of tiny ones would cost memory that no bound on bytes sees."""
    with pytest.raises(RunestoneError, match="not the last"):
        Inflow(LARGE).take(b"x" * size, more=True)


def test_the_largest_message_passes():
    wire = Wire()
    wire.offer(b"x" * LARGE)
    wire.run_dry()
    assert len(wire.consumed[0]) == LARGE
