"""Request heads: what is sent, and what never is."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.http1.origin import parse_origin
from provider_svc.http1.request import MAX_STARTS, RequestForm

ALWAYS = {"user-agent": "runestone"}


def head(url: str, path: str = "/chat", proxy: str = "", **headers: str) -> list[str]:
    form = RequestForm(parse_origin(url), ALWAYS, parse_origin(proxy) if proxy else None)
    return form.fill_in(path, headers, 7).decode("latin-1").split("\r\n")


def test_a_head_is_a_line_its_headers_and_the_length():
    assert head("https://api.example/v1/", authorization="Bearer k") == [
        "POST /v1/chat HTTP/1.1",
        "host: api.example",
        "user-agent: runestone",
        "authorization: Bearer k",
        "content-length: 7",
        "",
        "",
    ]


@pytest.mark.parametrize(("method", "length"), [("GET", []), ("DELETE", []), ("POST", ["content-length: 0"])])
def test_a_head_without_a_body_says_so_where_that_is_not_a_matter_of_course(method, length):
    form = RequestForm(parse_origin("https://api.example/v1/"), ALWAYS)
    lines = form.fill_in_bare(method, "/responses/r?stream=true", {"authorization": "Bearer k"}).decode().split("\r\n")
    assert lines[0] == f"{method} /v1/responses/r?stream=true HTTP/1.1"
    assert lines[1:] == ["host: api.example", "user-agent: runestone", "authorization: Bearer k", *length, "", ""]


@pytest.mark.parametrize("path", ["", "/a b", "/a\r\nx: y", "/\x00", "/é", "/\x7f"])
def test_a_path_that_could_end_its_line_is_not_sent(path):
    with pytest.raises(ValueError, match="path"):
        RequestForm(parse_origin("https://api.example"), ALWAYS).fill_in_bare("GET", path, {})


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://h", "h", "/chat"),
        ("http://h:80/", "h", "/chat"),
        ("https://h:443", "h", "/chat"),
        ("https://h:80", "h:80", "/chat"),
        ("http://[::1]:8000/v1", "[::1]:8000", "/v1/chat"),
        ("HTTP://H.Example:8000", "h.example:8000", "/chat"),
        ("http://bücher.example/ü b", "xn--bcher-kva.example", "/%C3%BC%20b/chat"),
        ("http://h/a%20b", "h", "/a%20b/chat"),
        ("http://h/v1#part", "h", "/v1/chat"),
    ],
)
def test_host_and_target_are_those_of_the_base_url(url, host, target):
    lines = head(url)
    assert (lines[0], lines[1]) == (f"POST {target} HTTP/1.1", f"host: {host}")


@pytest.mark.parametrize("url", ["", "h", "/v1", "ftp://h", "http://", "https:///v1", "http://h:x", "http://h:65536"])
def test_what_names_no_server_is_refused(url):
    with pytest.raises(ValueError):
        parse_origin(url)


def test_credentials_in_an_address_become_basic_ones_and_a_callers_own_win():
    basic = f"authorization: Basic {b64encode(b'me:p@ss').decode()}"
    assert basic in head("http://me:p%40ss@h")
    lines = head("http://me:p%40ss@h", authorization="Bearer k")
    assert [line for line in lines if line.startswith("authorization")] == ["authorization: Bearer k"]
    assert "p@ss" not in repr(parse_origin("http://me:p%40ss@h"))


def test_a_proxy_gets_the_absolute_form_and_its_credentials_only_where_it_sees_the_request():
    plain = head("http://h:8000/v1", proxy="http://me:pw@proxy:3128")
    assert plain[0] == "POST http://h:8000/v1/chat HTTP/1.1"
    assert any(line.startswith("proxy-authorization: Basic ") for line in plain)
    tunnelled = head("https://h/v1", proxy="http://me:pw@proxy:3128")
    assert tunnelled[0] == "POST /v1/chat HTTP/1.1"
    assert not any(line.startswith("proxy-authorization") for line in tunnelled)


@given(st.text(st.characters(max_codepoint=0x120), max_size=20))
def test_no_value_ever_adds_a_line(value):
    """Above all a key with a line end in it, as a file read carelessly would give."""
    if all(each == "\t" or " " <= each <= "~" or "\x80" <= each <= "\xff" for each in value):
        assert head("http://h", authorization=value) == [
            *head("http://h")[:3],
            f"authorization: {value}",
            "content-length: 7",
            "",
            "",
        ]
    else:
        with pytest.raises(ValueError):
            head("http://h", authorization=value)


@pytest.mark.parametrize("value", ["k\r\nevil: 1", "k\n", "k\r", "k\0", "k\x7f", "\u20ac"])
def test_what_http_does_not_allow_in_a_header_is_refused_without_showing_it(value):
    with pytest.raises(ValueError, match="'authorization' holds a character") as refused:
        head("http://h", authorization=value)
    assert value not in str(refused.value)


def test_what_is_kept_of_heads_is_bounded_and_never_mixed_up():
    form = RequestForm(parse_origin("http://h"), ALWAYS)
    for _ in range(2):
        for number in range(3 * MAX_STARTS):
            assert b"id: %d\r\n" % number in form.fill_in("/chat", {"id": str(number)}, number)
    assert len(form._starts) == MAX_STARTS
