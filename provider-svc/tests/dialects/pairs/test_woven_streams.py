"""A stream that breaks off at a provider of one dialect and goes on at one of another, for each client: one answer to the client's SDK."""

import os
from itertools import product
from pathlib import Path

import msgspec
import pytest
from dialects.strategies import unhurried
from dialects.weaving_stage import (
    CHAT,
    ENDS,
    MESSAGES,
    NAMES,
    RESPONSES,
    Scripted,
    answer,
    fly,
    read_stream,
    stream_of,
)
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason
from chassis.sse import find_ends, read_event
from provider_svc.dialects.said import Said
from provider_svc.dialects.table import DIALECTS
from runestone.common.v1.dialect_pb2 import Dialect
from runestone.common.v1.usage_pb2 import Usage

GOLDEN = Path(__file__).parent / "golden" / "woven"
WRITES = os.environ.get("GOLDEN") == "write"
NEXT = {CHAT: RESPONSES, RESPONSES: MESSAGES, MESSAGES: CHAT}  # where a stream of each goes on

PAIRS = [pytest.param(*pair, id="-".join(NAMES[one] for one in pair)) for pair in product(NAMES, repeat=2)]

SPENT, USED = Usage(input_tokens=10, output_tokens=5, is_estimated=True), Usage(input_tokens=20, output_tokens=7)

# No end of the one begins the other, so that nothing is cut at the seam.
first_words = st.text("abcåø😀 \n", min_size=1, max_size=9)
next_words = st.text("XYZÅØ🎉 \n", min_size=1, max_size=9)


def read_said(dialect: Dialect.ValueType, stream: bytes) -> Said:
    """What the whole events of a stream say."""
    said, reader, ends = Said(), DIALECTS[dialect].open_reader(), find_ends(stream)
    for start, end in zip([0, *ends], ends, strict=False):
        for step in reader.read(read_event(stream[start:end]).data):
            said.add(step)
    return said


def hold(path: Path, found: bytes) -> None:
    if WRITES:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found)
    assert found == path.read_bytes()


@pytest.mark.parametrize(("asked", "spoken"), PAIRS)
def test_a_stream_that_goes_on_is_as_its_golden_file_says(asked, spoken):
    """With what the second model is asked."""
    begun = stream_of(spoken, answer("The fjord ", "lies north of ", "the old town", thought="Norway?", usage=SPENT))
    cut = begun.index(b"the old town") + 3
    more = stream_of(NEXT[spoken], answer("the ", "harbour.", call="call_1", usage=USED, name="two"))
    flown = fly(asked, Scripted(spoken, begun, cut), Scripted(NEXT[spoken], more), usages=[SPENT])
    assert flown.failures == [Reason.PROVIDER_STREAM_CUT, None]
    name = f"{NAMES[asked]}_from_{NAMES[spoken]}_to_{NAMES[NEXT[spoken]]}"
    hold(GOLDEN / f"{name}.sse", flown.body)
    hold(GOLDEN / f"{name}.json", msgspec.json.format(msgspec.json.encode(flown.asked[1]), indent=1) + b"\n")
    read = read_stream(asked, flown.body)
    assert (read.text, read.stop, read.usage) == ("The fjord lies north of the harbour.", "tool_calls", (30, 12))
    assert (read.id.endswith("id_one"), read.thinking) == (True, "Norway?")


@pytest.mark.parametrize("asked", [pytest.param(one, id=name) for one, name in NAMES.items()])
@unhurried
@given(
    st.sampled_from(sorted(NAMES)),
    st.sampled_from(sorted(NAMES)),
    st.lists(first_words, min_size=1, max_size=4),
    st.lists(next_words, max_size=4),
    st.booleans(),
    st.booleans(),
    st.floats(0, 1),
    st.integers(1, 300),
)
def test_wherever_a_stream_breaks_off_the_client_reads_one_answer(
    asked, first, second, pieces, more, thinks, thinks_again, place, block
):
    begun = stream_of(first, answer(*pieces, thought="Hm" if thinks else "", usage=SPENT))
    cut = int(place * (len(begun) - 1))
    then = stream_of(second, answer(*more, thought="Oh" if thinks_again else "", usage=USED, name="two"))
    flown = fly(asked, Scripted(first, begun, cut, block), Scripted(second, then, None, block), usages=[SPENT])
    said = read_said(first, begun[:cut])
    if flown.failures[-1] is not None:
        assert flown.weaving.can_continue is False
        assert said.reason is not None or said.parts[-1].kind == "thinking"
        assert ENDS[asked] not in flown.body
        return
    read = read_stream(asked, flown.body)
    words = "".join(part.text for part in said.parts if part.kind == "text")
    assert read.text == words + "".join(more)
    assert read.thinking == (("Hm" if thinks else "") if said.parts else ("Oh" if thinks_again else ""))
    assert read.stop == "stop"
    assert read.usage == ((30, 12) if said.id else (20, 7))
    assert flown.weaving.parts == (2 if said.id else 1)
    assert flown.events.count(b": continued by p1/m\n\n") == (1 if said.id else 0)
