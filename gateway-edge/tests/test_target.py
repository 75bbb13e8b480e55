"""The path of a request: one reading, or none."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway_edge.http1.target import read_path


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/models/gpt-4o", "/v1/models/gpt-4o"),
        ("/v1/models/openai/gpt-4o", "/v1/models/openai/gpt-4o"),
        ("/v1/models/openai%2fgpt-4o", "/v1/models/openai%2Fgpt-4o"),
        ("/v1/models/a%252Fb", "/v1/models/a%252Fb"),
        ("/v1/models/m%C3%A9l%3Alatest", "/v1/models/mél:latest"),
        ("/v1/%6dodels", "/v1/models"),
        ("/v1/models/", "/v1/models/"),
        ("/v1/models/.hidden", "/v1/models/.hidden"),
        ("/v1/models/a..b/...", "/v1/models/a..b/..."),
        ("/v1/models;a=b", "/v1/models;a=b"),
    ],
)
def test_a_path_is_decoded_once_and_an_encoded_slash_parts_nothing(raw: str, path: str) -> None:
    assert read_path(raw) == path


@pytest.mark.parametrize(
    "raw",
    [
        "//v1/models",
        "/v1//models",
        "/v1/models//",
        "/v1/../v1/models",
        "/v1/./models",
        "/..",
        "/v1/models/..",
        "/v1/%2e%2e/models",
        "/v1/.%2E/models",
        "/v1/models/%2e",
        "/v1/models\\x",
        "/v1/models%5cx",
        "/v1/models%00",
        "/v1/models%0d%0ax",
        "/v1/models%7f",
        "/v1/models%",
        "/v1/models%zz",
        "/v1/models%2",
        "/v1/models%ff",
        "/v1/models%c0%af",
        "/v1/models#x",
        "/v1/mod\xe9ls",
        "/v1/models x",
    ],
)
def test_what_two_readers_could_read_differently_has_no_reading(raw: str) -> None:
    assert read_path(raw) is None


@given(st.lists(st.text(min_size=1, max_size=5), max_size=4), st.sampled_from(["%2F", "%2f", "%25", "/"]))
def test_whatever_is_sent_there_is_no_empty_or_dot_segment_and_no_control_character(
    parts: list[str], glue: str
) -> None:
    path = read_path("/" + glue.join(parts))
    if path is not None:
        assert not {".", ".."} & set(path.split("/"))
        assert "//" not in path
        assert "\\" not in path
        assert path.isprintable() or all(ord(letter) > 31 and letter != "\x7f" for letter in path)
