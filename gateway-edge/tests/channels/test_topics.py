"""What a frame does to the topics of a connection, case by case as Phoenix' server does it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway_edge.channels.frames import Frame
from gateway_edge.channels.topics import (
    MOST_WAITING,
    MOST_WAITING_BYTES,
    Deliver,
    Forsake,
    Leave,
    Open,
    Seat,
    Send,
    Step,
    Topics,
)


def make(most: int = 100, *, may_join: bool = True) -> Topics:
    return Topics({"room", "session"}, lambda: most, lambda: may_join)


def frame(
    event: str, topic: str = "room:a", join_ref: str | None = "1", ref: str | None = "2", payload: bytes = b"{}"
) -> Frame:
    return Frame(join_ref, ref, topic, event, payload)


def join(topics: Topics, topic: str = "room:a", join_ref: str = "1") -> Seat:
    """A topic that is joined."""
    opened = topics.receive(frame("phx_join", topic, join_ref, join_ref))[-1]
    assert isinstance(opened, Open)
    topics.accept(opened.seat, b"{}")
    return opened.seat


def texts(steps: list[Step]) -> list[object]:
    return [json.loads(step.text) for step in steps if isinstance(step, Send)]


def error(reason: str) -> dict[str, object]:
    return {"status": "error", "response": {"reason": reason}}


OK = {"status": "ok", "response": {}}


def test_heartbeats_are_answered_without_a_join():
    assert texts(make().receive(Frame(None, "7", "phoenix", "heartbeat", b"{}"))) == [
        [None, "7", "phoenix", "phx_reply", OK]
    ]


def test_join_is_answered_when_it_was_accepted():
    topics = make()
    (opened,) = topics.receive(frame("phx_join"))
    assert isinstance(opened, Open)
    assert texts(topics.accept(opened.seat, b'{"a":1}')) == [
        ["1", "2", "room:a", "phx_reply", {"status": "ok", "response": {"a": 1}}]
    ]


def test_second_join_of_a_topic_closes_the_first_under_its_own_reference():
    topics = make()
    seat = join(topics)
    forsaken, closed, opened = topics.receive(frame("phx_join", join_ref="5", ref="5"))
    assert forsaken == Forsake(seat)
    assert texts([closed]) == [["1", "1", "room:a", "phx_close", {}]]
    assert isinstance(opened, Open)
    assert topics.receive(frame("event", join_ref="1")) == [], "a stale message"
    assert topics.accept(seat, b"{}") == topics.close(seat) == topics.crash(seat) == []


def test_leave_is_answered_and_then_the_channel_closes():
    topics = make()
    seat = join(topics)
    left, *sent = topics.receive(frame("phx_leave"))
    assert left == Leave(seat)
    assert texts(sent) == [["1", "2", "room:a", "phx_reply", OK], ["1", "1", "room:a", "phx_close", {}]]
    assert len(topics) == 0


def test_leaving_what_was_not_joined_is_fine():
    assert texts(make().receive(frame("phx_leave"))) == [["1", "2", "room:a", "phx_reply", OK]]


def test_stale_leave_is_dropped():
    topics = make()
    join(topics, join_ref="5")
    assert topics.receive(frame("phx_leave", join_ref="1")) == []
    assert len(topics) == 1


def test_messages_to_a_topic_that_is_not_joined_are_unmatched():
    expected = [[None, "2", "room:a", "phx_reply", error("unmatched topic")]]
    assert texts(make().receive(frame("event"))) == expected


def test_topics_of_no_kind_are_unmatched():
    for topic in ("lobby", "other:a", "room", "room:", ":a", "phoenix", ""):
        expected = [[None, "2", topic, "phx_reply", error("unmatched topic")]]
        assert texts(make().receive(frame("phx_join", topic))) == expected


def test_message_without_a_reference_of_the_join_is_delivered():
    topics = make()
    seat = join(topics)
    event = frame("event", join_ref=None)
    assert topics.receive(event) == [Deliver(seat, event)]


def test_one_channel_too_many_is_refused_until_another_is_left():
    topics = make(most=2)
    join(topics, "room:a"), join(topics, "room:b")
    expected = [["1", "2", "room:c", "phx_reply", error("too many channels joined")]]
    assert texts(topics.receive(frame("phx_join", "room:c"))) == expected
    topics.receive(frame("phx_leave", "room:a", join_ref=None))
    assert isinstance(topics.receive(frame("phx_join", "room:c"))[-1], Open)


def test_joins_that_come_too_fast_are_refused():
    steps = make(may_join=False).receive(frame("phx_join"))
    assert texts(steps) == [["1", "2", "room:a", "phx_reply", error("too many joins")]]


def test_messages_of_a_client_that_does_not_wait_come_behind_its_join_and_are_bounded():
    topics = make()
    (opened,) = topics.receive(frame("phx_join"))
    early = [frame("event", ref=f"e{number}") for number in range(MOST_WAITING + 1)]
    answers = [step for one in early for step in topics.receive(one)]
    assert texts(answers) == [["1", early[-1].ref, "room:a", "phx_reply", error("the join is not answered yet")]]
    sent, *delivered = topics.accept(opened.seat, b"{}")
    assert isinstance(sent, Send)
    assert delivered == [Deliver(opened.seat, one) for one in early[:-1]]


def test_messages_before_joins_are_answered_are_bounded_in_bytes_of_all_topics_but_one_may_be_of_any_size():
    topics = make()
    topics.receive(frame("phx_join"))
    topics.receive(frame("phx_join", topic="room:b"))
    large = b'"%b"' % (b"x" * MOST_WAITING_BYTES)
    assert not topics.receive(frame("event", ref="3", payload=large))
    (refused,) = texts(topics.receive(frame("event", ref="4", topic="room:b")))
    assert refused[-1] == error("the join is not answered yet")


def test_messages_that_waited_for_a_refused_join_are_unmatched():
    topics = make()
    (opened,) = topics.receive(frame("phx_join", ref="1"))
    topics.receive(frame("event", ref="2"))
    assert texts(topics.refuse(opened.seat, b'{"reason":"no"}')) == [
        ["1", "1", "room:a", "phx_reply", error("no")],
        [None, "2", "room:a", "phx_reply", error("unmatched topic")],
    ]
    assert len(topics) == 0


def test_crash_of_a_channel_is_an_error_and_of_a_join_a_refusal():
    topics = make()
    assert texts(topics.crash(join(topics))) == [["1", "1", "room:a", "phx_error", {"reason": "channel_crash"}]]
    (opened,) = topics.receive(frame("phx_join"))
    assert texts(topics.crash(opened.seat)) == [["1", "2", "room:a", "phx_reply", error("join crashed")]]
    assert len(topics) == 0


EVENTS = st.sampled_from(["phx_join", "phx_leave", "event", "accept", "refuse", "crash", "close"])
MOVES = st.lists(st.tuples(EVENTS, st.sampled_from("abc"), st.none() | st.sampled_from("12")), max_size=40)


@given(MOVES)
def test_whatever_comes_every_seat_ends_once_and_no_message_reaches_a_join_that_is_over(moves):
    """Whoever follows the steps always knows which joins are good: those that were opened and not ended."""
    topics = make(most=2)
    good: dict[str, Seat] = {}
    for event, name, join_ref in moves:
        topic = f"room:{name}"
        seat = good.get(topic)
        if event in {"accept", "refuse", "crash", "close"}:
            if seat is None:
                continue
            more = [b"{}"] if event in {"accept", "refuse"} else []
            steps = getattr(topics, event)(seat, *more)
            if event != "accept":
                del good[topic]
        else:
            steps = topics.receive(frame(event, topic, join_ref))
        for step in steps:
            match step:
                case Open(opened):
                    assert topic not in good
                    good[topic] = opened
                case Leave(ended) | Forsake(ended):
                    assert good.pop(topic) is ended
                case Deliver(told, sent):
                    assert good[topic] is told and told.is_joined and told.owns(sent)
        assert len(topics) == len(good) <= 2
        assert all(topics.holds(one) for one in good.values())
