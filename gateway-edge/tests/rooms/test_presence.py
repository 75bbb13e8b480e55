"""Presence as Phoenix' clients keep it in step."""

import orjson
from hypothesis import given
from hypothesis import strategies as st
from phoenix_presence import State, refs_of, sync_diff, sync_state

from gateway_edge.rooms.presence import Entry, Presence, group


def entry(key: str, phx_ref: str) -> Entry:
    return Entry(key, orjson.dumps({"phx_ref": phx_ref}))


def as_client(told: object) -> State:
    """What came over the wire."""
    return orjson.loads(orjson.dumps(told))


def test_a_change_is_told_as_a_leave_of_the_old_and_a_join_of_the_new_version():
    presence = Presence()
    presence.enter("m1", entry("ann", "m1.1"))
    presence.tell()
    presence.enter("m1", entry("ann", "m1.2"))
    diff = as_client(presence.tell()._asdict())
    assert diff == {
        "joins": {"ann": {"metas": [{"phx_ref": "m1.2"}]}},
        "leaves": {"ann": {"metas": [{"phx_ref": "m1.1"}]}},
    }


def test_who_came_and_went_between_two_tellings_is_not_told():
    presence = Presence()
    presence.enter("m1", entry("ann", "m1.1"))
    presence.leave("m1")
    assert presence.tell() is None
    assert presence.state() == {}


def test_a_gap_keeps_those_who_are_known_better_and_drops_ghosts():
    presence = Presence()
    for ref in ("here", "ghost", "there"):
        presence.enter(ref, entry(ref, f"{ref}.1"))
    presence.tell()
    presence.replace({"there": entry("there", "there.1"), "new": entry("new", "new.1")}, kept=["here"])
    diff = presence.tell()
    assert diff is not None
    assert (set(diff.joins), set(diff.leaves)) == ({"new"}, {"ghost"})
    assert set(presence.state()) == {"here", "there", "new"}


refs = st.sampled_from(["m1", "m2", "m3", "m4"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), refs),
        st.tuples(st.just("leave"), refs),
        st.tuples(st.just("gap"), st.lists(refs, unique=True)),
        st.tuples(st.just("tell"), st.none()),
        st.tuples(st.just("rejoin"), st.none()),
    ),
    max_size=60,
)
KEYS = {"m1": "ann", "m2": "ann", "m3": "__proto__", "m4": "bob"}


@given(steps)
def test_any_order_of_what_happens_ends_in_the_state_that_a_client_of_phoenix_has(steps):
    """Comings, goings, changes, gaps and rejoins of the client, told whenever."""
    presence, versions, there, client = Presence(), dict.fromkeys(KEYS, 0), {}, {}
    for step, what in [*steps, ("tell", None)]:
        if step == "enter":
            versions[what] += 1
            there[what] = entry(KEYS[what], f"{what}.{versions[what]}")
            presence.enter(what, there[what])
        elif step == "leave":
            there.pop(what, None)
            presence.leave(what)
        elif step == "gap":
            there = {ref: there.get(ref) or entry(KEYS[ref], f"{ref}.{versions[ref]}") for ref in what}
            presence.replace(there)
        elif step == "rejoin":
            client = sync_state(client, as_client(presence.state()))
        elif diff := presence.tell():
            client = sync_diff(client, as_client(diff._asdict()))
    assert refs_of(client) == refs_of(as_client(group(there.values())))
    assert refs_of(as_client(presence.state())) == refs_of(client)
