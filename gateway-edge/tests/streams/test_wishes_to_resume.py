"""How a client says that it may come back."""

import pytest

from gateway_edge.door.intake import wants_resumable


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("1", True), ("true", True), ("True", True), ("0", False), ("false", False), ("", False), ("yes", False)],
)
def test_a_stream_is_resumable_when_its_header_says_so(said: str, wanted: bool) -> None:
    assert wants_resumable({"x-runestone-resumable": said}) == wanted
    assert not wants_resumable({})
