"""An answer that is given again is the same but for what is the call's own, at every endpoint."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway_edge.call import Call, Given
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.repeats.learning import make_recipe
from gateway_edge.repeats.repeats import Moment, _write

QUESTION = orjson.dumps({"model": "simulated", "messages": [{"role": "user", "content": "hi"}], "temperature": 0})
GIVEN = Given(b"k" * 32, object(), 100.0, 200.0, b'{"id": 1}')
AGAIN = Moment("req_2", "t", "00-t-s-00", "127.0.0.1", 110.0, 0.001)


@pytest.mark.parametrize(
    ("path", "names"), [("/v1/messages", ["x-request-id", "request-id"]), ("/v1/chat/completions", ["x-request-id"])]
)
def test_every_header_that_names_the_call_names_the_one_that_is_answered(
    make_call: Callable[..., Call], path: str, names: list[str]
) -> None:
    """No client is told another's request id."""
    counts: Any = None
    call = make_call(QUESTION, endpoint=ENDPOINTS[path])
    call.reply.headers.update(dict.fromkeys(names, "req_1") | {"traceparent": "old", "x-cache": "HIT"})
    answer = _write(make_recipe(call, GIVEN, counts, path), AGAIN, "")
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert b"req_1" not in answer and b"old" not in answer and body == GIVEN.body
    assert [line for line in lines if line.endswith("req_2")] == [f"{name}: req_2" for name in names]
    assert "x-cache: HIT" in lines and "content-type: application/json" in lines


def test_no_header_of_an_answer_that_is_given_again_holds_a_second_line(make_call: Callable[..., Call]) -> None:
    """What was left out and the model's name are a client's words, and may hold what ends a line."""
    counts: Any = None
    call = make_call(QUESTION, endpoint=ENDPOINTS["/v1/chat/completions"])
    call.reply.headers.update({"x-runestone-dropped": "a\r\nx-evil: 1\r\n\r\n", "x-runestone-model": "m\0\nx-evil: 2"})
    head, _, body = _write(make_recipe(call, GIVEN, counts, "/v1/chat/completions"), AGAIN, "").partition(b"\r\n\r\n")
    assert body == GIVEN.body
    lines = head.decode().split("\r\n")
    assert not [line for line in lines if line.startswith("x-evil") or "\n" in line or "\0" in line]
    assert "x-runestone-dropped: a  x-evil: 1    " in lines
