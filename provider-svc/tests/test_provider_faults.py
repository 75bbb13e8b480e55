"""Row 5 of the fault table: every way in which a provider fails has its name, and nothing hangs or leaks."""

import pytest
from fake_provider import unaccepting_port

from chassis.config import Settings, parse_settings
from chassis.testing import free_port

KINDS = ["fake", "claude"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_whole_and_metered(rig, kind, stream):
    """The plain case: everything arrives, with usage and finish reason, whether the client asked for usage or not."""
    heard = await rig.call(f"{kind}/words=5", stream=stream)
    assert heard.reason == ""
    assert heard.end.finish_reason == "stop"
    assert (heard.end.usage.input_tokens, heard.end.usage.output_tokens) == (11, 5)
    assert "naïve".encode() in heard.body
    assert heard.events[0].accepted.upstream_status == 200
    assert heard.events[0].accepted.upstream_request_id.startswith("fake-")
    assert heard.body.endswith(b"data: [DONE]\n\n") is stream


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ("cut=333", "PROVIDER_STREAM_CUT"),
        ("end=333", "PROVIDER_STREAM_CUT"),
        ("no_done", "PROVIDER_STREAM_CUT"),
        ("cut_events=3", "PROVIDER_STREAM_CUT"),
        ("garbage", "PROVIDER_INVALID_ANSWER"),
        ("lying_gzip", "PROVIDER_INVALID_ANSWER"),
        ("html_503", "PROVIDER_OVERLOADED"),
        ("redirect", "PROVIDER_FAILED"),
        ("close", "PROVIDER_UNREACHABLE"),
        ("status=529", "PROVIDER_OVERLOADED"),
        ("status=500", "PROVIDER_FAILED"),
        ("status=400", "PROVIDER_REFUSED"),
        ("status=401", "PROVIDER_CREDENTIALS_REFUSED"),
        ("status=429", "PROVIDER_RATE_LIMITED"),
        ("huge=100MiB", "PROVIDER_INVALID_ANSWER"),
    ],
)
async def test_a_failing_stream_ends_with_its_reason_and_never_looks_whole(rig, kind, wishes, reason):
    heard = await rig.call(f"{kind}/{wishes}")
    assert heard.reason == reason
    assert b"[DONE]" not in heard.body
    assert heard.end.last_seq == len(heard.frames)
    assert "<" not in heard.end.error.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ("cut=50", "PROVIDER_STREAM_CUT"),
        ("end=50", "PROVIDER_INVALID_ANSWER"),
        ("garbage", "PROVIDER_INVALID_ANSWER"),
        ("lying_gzip", "PROVIDER_INVALID_ANSWER"),
        ("html_200", "PROVIDER_INVALID_ANSWER"),
        ("error_200", "PROVIDER_FAILED"),
        ("huge=100MiB", "PROVIDER_INVALID_ANSWER"),
    ],
)
async def test_a_failing_document_is_never_delivered(rig, kind, wishes, reason):
    """What is translated is a stream upstream, of which a proper end of the body is a cut."""
    heard = await rig.call(f"{kind}/{wishes}", stream=False)
    is_cut = (kind, wishes) == ("claude", "end=50")
    assert heard.reason == ("PROVIDER_STREAM_CUT" if is_cut else reason)
    assert heard.body == b""


async def test_a_page_that_takes_itself_for_a_stream_is_an_invalid_answer(rig):
    heard = await rig.call("fake/html_200")
    assert heard.reason == "PROVIDER_INVALID_ANSWER"
    assert heard.body == b""


@pytest.mark.parametrize("cut", range(395, 412))
async def test_a_cut_at_any_byte_keeps_whole_events_only(rig, cut):
    """Also in the middle of a frame and of a character: what arrives is a prefix, event by event."""
    whole = await rig.call("fake/words=4")
    heard = await rig.call(f"fake/words=4,cut={cut}")
    assert heard.reason == "PROVIDER_STREAM_CUT"
    assert [f.partition(b'"model"')[0] for f in heard.frames] == [
        f.partition(b'"model"')[0] for f in whole.frames[: len(heard.frames)]
    ]
    assert 1 <= len(heard.frames) < len(whole.frames)


@pytest.mark.parametrize("wishes", ["drip=7", "drip=1,words=2", "crlf", "gzip", "usage_on_last_choice"])
async def test_odd_but_correct_streams_are_whole(rig, wishes):
    """Bytes that drip, CRLF, compression, usage on a chunk with choices: none is a failure."""
    heard = await rig.call(f"fake/{wishes}")
    assert heard.reason == ""
    assert heard.end.usage.input_tokens == 11
    assert len(heard.frames) == (2 if "words=2" in wishes else 8) + 3


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [("retry_after=7", 7.0), ("retry_after_ms=1500", 1.5), ("retry_after=9,retry_after_ms=250", 0.25)],
)
async def test_retry_hints_are_passed_on_exactly(rig, wishes, expected):
    heard = await rig.call(f"fake/status=429,{wishes}")
    assert heard.end.error.retry_after.ToTimedelta().total_seconds() == expected
    assert heard.end.error.upstream_status == 429


async def test_a_retry_date_becomes_seconds(rig):
    heard = await rig.call("fake/status=429,retry_after_date=90")
    assert 60 < heard.end.error.retry_after.seconds <= 90


async def test_a_refusal_keeps_the_providers_words(rig):
    heard = await rig.call("fake/status=400")
    error = heard.end.error
    assert (error.message, error.code, error.upstream_status) == ("the fake provider says 400", "fake_400", 400)


@pytest.mark.parametrize("stream", [True, False])
async def test_credentials_never_show(rig, stream):
    heard = await rig.call("fake/status=401", stream=stream)
    assert "canary" not in str(heard.events)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_object_in_a_stream_is_a_failure_behind_what_came(rig, kind):
    heard = await rig.call(f"{kind}/error_event=4")
    assert heard.reason in {"PROVIDER_FAILED", "PROVIDER_OVERLOADED"}
    assert heard.end.error.message == "the fake provider broke off"
    assert heard.end.last_seq == len(heard.frames) > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_document_instead_of_a_stream_says_what_it_says(rig, kind):
    heard = await rig.call(f"{kind}/error_200")
    assert heard.reason == "PROVIDER_FAILED"
    assert "the fake provider says" in heard.end.error.message
    assert not heard.end.HasField("usage"), "no answer has begun"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_never_answers_is_a_first_byte_timeout(open_rig, kind, stream):
    async with open_rig(first_byte="100ms") as rig:
        heard = await rig.call(f"{kind}/hang=headers", stream=stream)
        assert heard.reason == "PROVIDER_TIMEOUT"
        assert "first-byte" in heard.end.error.message
        await rig.fake.exchanges[0].wait_closed()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_that_stops_sending_is_an_idle_timeout(open_rig, stream):
    async with open_rig(idle="100ms") as rig:
        heard = await rig.call("fake/hang=body,drip=40", stream=stream)
        assert heard.reason == "PROVIDER_TIMEOUT"
        assert "idle" in heard.end.error.message
        await rig.fake.exchanges[0].wait_closed()


async def test_a_provider_that_drips_for_ever_is_a_total_timeout(open_rig):
    async with open_rig(idle="10s", total="300ms") as rig:
        heard = await rig.call("fake/drip=1,pace=20ms")
        assert heard.reason == "PROVIDER_TIMEOUT"
        assert "total" in heard.end.error.message
        await rig.fake.exchanges[0].wait_closed()


async def test_a_connection_that_is_never_accepted_is_a_connect_timeout(open_rig):
    with unaccepting_port() as port:
        async with open_rig(settings_at(port, "connect: 200ms")) as rig:
            heard = await rig.call("gone/m")
    assert heard.reason == "PROVIDER_TIMEOUT"
    assert "connect timeout" in heard.end.error.message


async def test_a_port_where_nobody_listens_is_unreachable(open_rig):
    async with open_rig(settings_at(free_port(), "")) as rig:
        heard = await rig.call("gone/m")
    assert heard.reason == "PROVIDER_UNREACHABLE"
    assert "127.0.0.1" not in heard.end.error.message


def settings_at(port: int, timeouts: str) -> Settings:
    return parse_settings(
        f"providers: [{{name: gone, kind: openai_compatible, base_url: 'http://127.0.0.1:{port}', "
        f"timeouts: {{{timeouts}}}}}]"
    )


async def test_connections_are_used_again(rig):
    """Ten calls in a row need one connection, streams and documents alike."""
    for number in range(10):
        assert (await rig.call("fake/words=3", stream=bool(number % 2))).reason == ""
    assert rig.gauge("runestone_upstream_connections") == 1


async def test_the_client_gets_usage_only_when_it_asked(rig):
    silent = await rig.call("fake/words=3")
    asked = await rig.call("fake/words=3", stream_options={"include_usage": True})
    assert b'"choices":[]' not in silent.body
    assert b'"choices":[]' in asked.body
    assert silent.end.usage == asked.end.usage


async def test_unknown_members_reach_the_provider_untouched(rig):
    await rig.call("fake/words=1", logit_bias={"1": 1.50}, future={"a": [1, 2]}, stream_options={"x": 1})
    exchange = await rig.fake.exchange()
    assert exchange.document["future"] == {"a": [1, 2]}
    assert b'{"1":1.5}' in exchange.body
    assert exchange.document["stream_options"] == {"x": 1, "include_usage": True}
    assert exchange.document["model"] == "words=1"
    assert exchange.headers["authorization"] == "Bearer sk-canary-secret"
    assert "traceparent" not in exchange.headers
