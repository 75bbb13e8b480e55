"""Whole answers of each endpoint: what is read of them on their way."""

import orjson
import pytest

from chassis.errors import Reason, RunestoneError
from provider_svc.anthropic.endpoints import ENDPOINTS as OF_ANTHROPIC
from provider_svc.anthropic.message import read_message
from provider_svc.openai.endpoints import ENDPOINTS as OF_OPENAI
from provider_svc.openai.response import read_media, read_ranking
from provider_svc.openai.responses import read_response
from provider_svc.provider import Meter

READERS = sorted(
    {endpoint.read_document for table in (OF_OPENAI, OF_ANTHROPIC) for endpoint in table.values()},
    key=lambda read: read.__name__,
)


def metered(read, **document):
    read(orjson.dumps(document), meter := Meter())
    return meter


def counts(meter):
    return {field.name: value for field, value in meter.usage.ListFields()}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"<html>", b'{"a":' * 100_000])
def test_no_endpoint_takes_what_is_not_its_protocol(read, body):
    with pytest.raises(RunestoneError) as error:
        read(body, Meter())
    assert error.value.reason is Reason.PROVIDER_INVALID_ANSWER


@pytest.mark.parametrize("read", READERS)
def test_every_endpoint_knows_an_error_with_status_200(read):
    body = orjson.dumps({"type": "error", "error": {"message": "tired", "type": "overloaded_error"}})
    with pytest.raises(RunestoneError) as error:
        read(body, Meter())
    assert (error.value.reason, error.value.message) == (Reason.PROVIDER_OVERLOADED, "tired")


@pytest.mark.parametrize("read", READERS)
def test_every_endpoint_bears_an_answer_that_says_nothing(read):
    assert metered(read, error=None) == Meter()


def test_embeddings_say_what_they_read():
    assert counts(metered(read_media, data=[], usage={"prompt_tokens": 8, "total_tokens": 8})) == {"input_tokens": 8}


def test_images_say_what_they_used():
    details = {"text_tokens": 10, "image_tokens": 40}
    usage = {"input_tokens": 50, "output_tokens": 4160, "total_tokens": 4210, "input_tokens_details": details}
    assert counts(metered(read_media, created=1, data=[], usage=usage)) == {"input_tokens": 50, "output_tokens": 4160}


def test_a_transcription_says_what_it_used_in_tokens_or_nothing():
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}
    assert counts(metered(read_media, text="hi", usage=usage)) == {"input_tokens": 14, "output_tokens": 45}
    assert metered(read_media, text="hi", usage={"type": "duration", "seconds": 9.5}).usage is None


@pytest.mark.parametrize(
    "document",
    [
        {"usage": {"total_tokens": 56}},
        {"usage": {"prompt_tokens": 56, "total_tokens": 56}},
        {"meta": {"tokens": {"input_tokens": 56}, "billed_units": {"search_units": 1}}},
    ],
)
def test_a_ranking_is_counted_wherever_its_maker_counts(document):
    assert counts(metered(read_ranking, results=[], **document)) == {"input_tokens": 56}


@pytest.mark.parametrize("usage", ["x", [], {"total_tokens": -1}, {"input_tokens": 1e30}, {}])
def test_counts_that_make_no_sense_are_no_usage(usage):
    assert metered(read_media, usage=usage).usage is None


def test_a_response_that_runs_in_the_background_has_not_stopped():
    assert metered(read_response, status="queued", output=[], usage=None) == Meter()


def test_a_whole_response_is_metered():
    usage = {"input_tokens": 9, "output_tokens": 5}
    meter = metered(read_response, status="completed", output=[{"type": "function_call"}], usage=usage)
    assert (meter.finish_reason, counts(meter)) == ("tool_calls", usage)


def test_a_message_is_metered():
    usage = {"input_tokens": 9, "cache_creation_input_tokens": 1, "output_tokens": 5}
    meter = metered(read_message, type="message", content=[], stop_reason="max_tokens", usage=usage)
    assert meter.finish_reason == "length"
    assert counts(meter) == {"input_tokens": 10, "cache_write_input_tokens": 1, "output_tokens": 5}
