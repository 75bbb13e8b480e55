"""Whatever a client sends, reading it makes a prompt that can be written and answered, or refuses it in our own words."""

import json
from copy import deepcopy

from dialects.openai_responses.wire import GOLDEN, asked, document_of, events_of, read, stream_of, write
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Reason, RunestoneError
from provider_svc.dialects.steps import Close, End, Grow, OpenText, Start, Stop

BODIES = [path.read_text() for path in sorted((GOLDEN / "requests").glob("*.read.json"))]
ANSWER = [Start("msg_1", "m"), OpenText(), Grow("a"), Close(), Stop("end"), End()]

nasty = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, "", "a", "none", [], [None], [[]], ["a"], {}, {"type": []}, {"type": "function"}]
    + [
        [{"type": kind}]
        for kind in ("message", "reasoning", "input_text", "input_image", "input_file", "allowed_tools")
    ]
)


def places(value: object) -> list[tuple[object, object]]:
    """Every member of every object and every element of every list, as what holds it and where."""
    if not isinstance(value, dict | list):
        return []
    keys = value if isinstance(value, dict) else range(len(value))
    return [place for key in keys for place in [(value, key), *places(value[key])]]


@given(body=st.sampled_from(BODIES), data=st.data(), is_strict=st.booleans())
def test_a_body_that_was_tampered_with_is_refused_or_goes_its_way(body, data, is_strict):
    members = json.loads(body)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = data.draw(st.sampled_from(places(members)))
        holder[key] = deepcopy(data.draw(nasty))
    try:
        prompt, _ = read(members, is_strict=is_strict)
        write(prompt, is_strict=is_strict)
    except RunestoneError as error:
        refused = error.reason
    else:
        refused = None
        events = stream_of(ANSWER, asked(**members)).splitlines()
        assert json.loads(events[-2][6:])["response"]["status"] == "completed"
    assert refused in {None, Reason.INVALID_REQUEST}


def test_what_is_answered_to_every_golden_request_has_the_sdks_shape():
    for body in BODIES:
        question = asked(**json.loads(body))
        assert events_of(stream_of(ANSWER, question))[-1]["response"] == document_of(ANSWER, question)
