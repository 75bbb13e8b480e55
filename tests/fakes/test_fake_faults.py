"""Each fault does to every dialect what its wish says."""

import asyncio
import gzip
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

VERSION = {"anthropic-version": "2023-06-01"}
USER = {"role": "user", "content": "hello"}


@dataclass(frozen=True)
class Speaker:
    """A dialect, as a client would speak it; `end` is what its streams end with."""

    name: str
    path: str
    body: dict[str, Any]
    end: bytes
    error: str  # the path to the kind of an error in its documents


CHAT = Speaker("chat", "/v1/chat/completions", {"messages": [USER]}, b"data: [DONE]", "error.type")
RESPONSES = Speaker("responses", "/v1/responses", {"input": "hello"}, b"event: response.completed", "error.type")
MESSAGES = Speaker("messages", "/v1/messages", {"messages": [USER], "max_tokens": 99}, b"event: message_stop", "type")
COMPLETIONS = Speaker("completions", "/v1/completions", {"prompt": "hello"}, b"data: [DONE]", "error.type")
IMAGES = Speaker(
    "images",
    "/v1/images/generations",
    {"prompt": "a tree", "partial_images": 3},
    b"event: image_generation.completed",
    "error.type",
)
SPEAKERS = [CHAT, RESPONSES, MESSAGES, COMPLETIONS, IMAGES]


@pytest.fixture(params=SPEAKERS, ids=lambda speaker: speaker.name)
def speaker(request) -> Speaker:
    return request.param


async def ask(raw, speaker: Speaker, wishes: str, *, stream: bool) -> tuple[aiohttp.ClientResponse, bytes]:
    """The answer and what came of its body, cut or not."""
    body = {"model": "m", **speaker.body, **({"stream": True} if stream else {})}
    headers = {**VERSION, "x-fake-wishes": wishes}
    got = b""
    async with raw.post(speaker.path, json=body, headers=headers, allow_redirects=False) as answer:
        try:
            async for piece in answer.content.iter_any():
                got += piece
        except aiohttp.ClientPayloadError:
            got += b"<cut>"
    return answer, got


async def listen(raw, speaker, wishes):
    answer, got = await ask(raw, speaker, wishes, stream=True)
    assert (answer.status, answer.content_type) == (200, "text/event-stream")
    return got


def events_of(got: bytes) -> list[bytes]:
    return got.removesuffix(b"<cut>").split(b"\n\n")


async def test_a_good_stream_ends_as_it_should(raw, speaker):
    assert events_of(await listen(raw, speaker, "words=3"))[-2].startswith(speaker.end)


async def test_a_stream_without_its_end(raw, speaker):
    got = await listen(raw, speaker, "words=3,no_done")
    assert speaker.end not in got
    assert got.endswith(b"\n\n")


async def test_a_cut_behind_events(raw, speaker):
    got = await listen(raw, speaker, "words=9,cut_events=2")
    assert got.endswith(b"\n\n<cut>")
    assert len(events_of(got)) == 3


async def test_a_cut_inside_an_event(raw, speaker):
    got = await listen(raw, speaker, "words=9,cut_inside=3")
    *whole, half = events_of(got)
    assert got.endswith(b"<cut>")
    assert (len(whole), bool(half)) == (2, True)


@pytest.mark.parametrize("of", [CHAT, RESPONSES, MESSAGES, COMPLETIONS], ids=lambda speaker: speaker.name)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_inside_a_character(raw, of, stream):
    _, got = await ask(raw, of, "words=9,cut_character", stream=stream)
    assert got.endswith(b"<cut>")
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        got.removesuffix(b"<cut>").decode()


@pytest.mark.parametrize(("wish", "is_cut"), [("cut=40", True), ("end=40", False), ("cut=40,drip=7", True)])
@pytest.mark.parametrize("stream", [True, False])
async def test_an_end_at_a_byte(raw, speaker, wish, is_cut, stream):
    _, got = await ask(raw, speaker, wish, stream=stream)
    assert got.endswith(b"<cut>") is is_cut
    assert len(got.removesuffix(b"<cut>")) in range(40, 47)


async def test_an_error_in_the_middle(raw, speaker):
    got = await listen(raw, speaker, "words=9,error_event=2")
    *_, last, rest = events_of(got)
    assert rest == b""
    assert len(events_of(got)) == 4
    said = json.loads(last.partition(b"data: ")[2])
    assert "the fake provider broke off" in str(said)
    assert "error" in {said.get("type"), *said}


async def test_garbage(raw, speaker):
    assert events_of(await listen(raw, speaker, "words=9,garbage"))[2] == b"data: <<<garbage>>>"
    answer, got = await ask(raw, speaker, "garbage", stream=False)
    assert (answer.status, got) == (200, b"<<<")


async def test_comments_crlf_and_drops_change_nothing_that_matters(raw, speaker):
    plain = await listen(raw, speaker, "words=3")
    assert (await listen(raw, speaker, "words=3,comments")).replace(b": still there\n\n", b"").count(
        b"data: "
    ) == plain.count(b"data: ")
    assert (await listen(raw, speaker, "words=3,crlf")).count(b"\r\n\r\n") == plain.count(b"\n\n")
    assert len(await listen(raw, speaker, "words=3,drip=5")) == len(plain)


@pytest.mark.parametrize("stream", [True, False])
async def test_gzip_is_what_it_says_or_lies(fake, speaker, stream):
    async with aiohttp.ClientSession(fake.url, auto_decompress=False) as session:
        answer, got = await ask(session, speaker, "gzip", stream=stream)
        assert answer.headers["content-encoding"] == "gzip"
        assert b"{" in gzip.decompress(got)
        answer, got = await ask(session, speaker, "lying_gzip", stream=stream)
        assert answer.headers["content-encoding"] == "gzip"
        assert b"{" in got


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("wish", "status"), [("status=400", 400), ("status=529", 529), ("error_200", 200)])
async def test_an_error_document_has_its_makers_form(raw, speaker, stream, wish, status):
    answer, got = await ask(raw, speaker, wish, stream=stream)
    assert (answer.status, answer.content_type) == (status, "application/json")
    value: Any = json.loads(got)
    for step in speaker.error.split("."):
        value = value[step]
    assert value == "error" if speaker is MESSAGES else value in {"invalid_request_error", "server_error"}


async def test_hints_when_to_come_back(raw, speaker):
    wishes = "status=429,retry_after_ms=1500,retry_after_date=90"
    answer, _ = await ask(raw, speaker, wishes, stream=False)
    assert answer.headers["retry-after-ms"] == "1500"
    assert answer.headers["retry-after"].endswith(" GMT")
    answer, _ = await ask(raw, speaker, "status=429,retry_after=7", stream=False)
    assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize(("wish", "status"), [("html_503", 503), ("html_200", 200)])
async def test_a_page_instead_of_an_answer(raw, speaker, wish, status):
    answer, got = await ask(raw, speaker, wish, stream=True)
    assert (answer.status, answer.content_type) == (status, "text/html")
    assert got.startswith(b"<html>")


async def test_a_redirect(raw, speaker):
    answer, _ = await ask(raw, speaker, "redirect", stream=False)
    assert answer.status == 307
    assert answer.headers["location"].endswith(speaker.path)


async def test_a_connection_that_is_closed_instead(raw, speaker):
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(raw, speaker, "close", stream=False)


async def test_a_connection_that_is_reset_instead(raw, speaker):
    with pytest.raises(aiohttp.ClientOSError, match="Connection reset by peer"):
        await ask(raw, speaker, "reset", stream=False)


@pytest.mark.parametrize("of", [CHAT, RESPONSES, MESSAGES, COMPLETIONS], ids=lambda speaker: speaker.name)
async def test_an_event_of_any_size(raw, of):
    got = await listen(raw, of, "huge=1MiB")
    assert max(map(len, events_of(got))) > 1 << 20


@pytest.mark.parametrize("where", ["headers", "body"])
async def test_whoever_leaves_a_hanging_answer_is_noticed(fake, raw, speaker, where):
    asking = asyncio.create_task(ask(raw, speaker, f"hang={where}", stream=True))
    exchange = await fake.exchange()
    if where == "body":
        await exchange.wait_written(1)
    assert not exchange.closed_early.is_set()
    asking.cancel()
    await exchange.wait_closed()
    await exchange.wait_over()
    await fake.connections.wait_open(0)
    assert fake.connections.aborted == 1


@pytest.mark.parametrize("of", [CHAT, RESPONSES, COMPLETIONS], ids=lambda speaker: speaker.name)
@pytest.mark.parametrize("stream", [True, False])
async def test_usage_may_be_missing(raw, of, stream):
    _, told = await ask(raw, of, "usage_on_last_choice", stream=False)
    assert b'"usage":{' in told
    _, got = await ask(raw, of, "no_usage", stream=stream)
    assert b'"usage":{' not in got
