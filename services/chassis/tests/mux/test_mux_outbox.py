"""What leaves together, and in what order."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.mux.outbox import BATCH, Outbox

frames = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 2 * BATCH) | st.integers(1, 1000)), max_size=60)
unhurried = settings(deadline=None)


class Frame(bytes):
    """A frame that can be told from the others: it knows its place among what was queued."""

    place: int


def frame(place: int, size: int) -> Frame:
    made = Frame(size)
    made.place = place
    return made


def fill(outbox: Outbox, queued: list[tuple[int, int]]) -> None:
    for place, (call, size) in enumerate(queued, 1):
        outbox.put(call, frame(place, size))


def drain(outbox: Outbox) -> list[list[tuple[int, Frame]]]:
    batches = []
    while outbox:
        batches.append(outbox.take())
    return batches


@unhurried
@given(frames)
def test_everything_leaves_once_and_in_order_within_its_call(queued):
    outbox = Outbox()
    fill(outbox, queued)
    left = defaultdict(list)
    for batch in drain(outbox):
        for call, frame in batch:
            left[call].append(frame.place)
    expected = defaultdict(list)
    for place, (call, _) in enumerate(queued, 1):
        expected[call].append(place)
    assert left == expected
    assert outbox.size == 0


@unhurried
@given(frames)
def test_a_batch_holds_at_most_its_bound_unless_one_frame_is_larger(queued):
    outbox = Outbox()
    fill(outbox, queued)
    for batch in drain(outbox):
        assert batch
        assert len(batch) == 1 or sum(len(frame) for _, frame in batch) <= BATCH


@given(frames.filter(bool))
def test_calls_take_turns(queued):
    """Between two frames of one call, every other call that has something to send sends one."""
    outbox = Outbox()
    fill(outbox, queued)
    order = [call for batch in drain(outbox) for call, _ in batch]
    for place, call in enumerate(order):
        following = order[place + 1 :]
        until = following.index(call) if call in following else None
        if until is not None:
            waiting = set(following) - {call}
            assert set(following[:until]) == waiting


@given(frames)
def test_a_small_message_is_not_held_up_by_a_large_one(queued):
    """However much call 7 has queued, call 8's one frame is among the first two of what was queued for them."""
    outbox = Outbox()
    fill(outbox, [(7, size) for _, size in queued])
    outbox.put(8, bytes(10))
    order = [call for batch in drain(outbox) for call, _ in batch]
    assert 8 in order[:2]


@given(frames, st.integers(0, 6))
def test_what_is_dropped_never_leaves_and_the_rest_does(queued, dropped):
    outbox = Outbox()
    fill(outbox, queued)
    taken_back = outbox.drop(dropped)
    assert [frame.place for frame in taken_back] == [n for n, (call, _) in enumerate(queued, 1) if call == dropped]
    assert outbox.size == sum(size for call, size in queued if call != dropped)
    left = sorted(frame.place for batch in drain(outbox) for _, frame in batch)
    assert left == [n for n, (call, _) in enumerate(queued, 1) if call != dropped]


def test_dropping_a_call_that_queued_nothing_is_harmless():
    outbox = Outbox()
    assert outbox.drop(1) == []
    assert not outbox
    assert outbox.take() == []
