"""Calls asked together: who shares a call, when it goes out, and what each gets of it."""

import asyncio

import msgspec
import orjson
import pytest
from batching.stage import (
    EMBEDDINGS,
    MODERATIONS,
    WINDOW,
    ask,
    ask_all,
    begin,
    call_of,
    in_own_time,
    inputs_of,
    open_batching,
    vector,
)

from provider_svc.batching import provider as module
from provider_svc.batching.item import LARGEST
from provider_svc.provider import Gathered


@in_own_time
async def test_calls_that_come_within_the_window_are_asked_together_when_it_is_over():
    batching, fake = open_batching()
    first = await begin(batching, [call_of("a")], WINDOW / 2)
    rest = await begin(batching, [call_of("b"), call_of("c")])
    documents = await asyncio.gather(*first, *rest)
    assert [inputs_of(call) for call in fake.asked] == [["a", "b", "c"]]
    assert fake.times == [pytest.approx(WINDOW)]
    for given, document in zip("abc", documents, strict=True):
        assert vector(given) in document
        row = {"object": "embedding", "embedding": orjson.loads(vector(given)), "index": 0}
        whole = {"object": "list", "data": [row], "model": "theirs", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
        assert orjson.loads(document) == whole


@in_own_time
async def test_a_batch_has_the_calls_own_members_model_and_headers():
    batching, fake = open_batching()
    await ask_all(batching, [call_of("a", dimensions=3, user="u"), call_of("b", user="u", dimensions=3)])
    (asked,) = fake.asked
    assert {name: bytes(raw) for name, raw in asked.members.items()} == {
        "model": b'"ours"', "input": b'["a","b"]', "dimensions": b"3", "user": b'"u"',
    }  # fmt: skip
    assert (asked.model, asked.headers, asked.dialect) == ("theirs", {"openai-beta": "b"}, EMBEDDINGS)


@in_own_time
async def test_a_call_that_remains_alone_is_asked_as_it_came():
    batching, fake = open_batching()
    call = call_of(["a"])
    assert vector("a") in await ask(batching, call)
    assert fake.asked == [call]
    assert fake.asked[0] is call
    assert not call.meter.usage.is_estimated
    assert fake.times == [pytest.approx(WINDOW)]


@in_own_time
async def test_a_full_batch_goes_at_once():
    batching, fake = open_batching(max_items=2)
    await ask_all(batching, [call_of(given) for given in "abcd"])
    assert [inputs_of(call) for call in fake.asked] == [["a", "b"], ["c", "d"]]
    assert fake.times == [0, 0]


@in_own_time
async def test_what_does_not_fit_into_a_batch_sends_it_off_and_begins_the_next():
    batching, fake = open_batching()
    half = "x" * (LARGEST // 2)
    await ask_all(batching, [call_of(given) for given in ("a", half, half, "b")])
    assert [inputs_of(call) for call in fake.asked] == [["a", half], [half, "b"]]
    assert fake.times[0] == 0


OTHERS = [
    call_of("b", model="another"),
    call_of("b", user="somebody"),
    call_of("b", dimensions=3),
    call_of("b", encoding_format="base64"),
    call_of("b", headers={"openai-beta": "c"}),
    call_of("b", dialect=MODERATIONS),
    call_of([1, 2]),
]


@pytest.mark.parametrize("other", OTHERS)
@in_own_time
async def test_calls_that_differ_in_anything_but_their_text_are_not_asked_together(other):
    batching, fake = open_batching()
    await ask_all(batching, [call_of("a"), other])
    assert len(fake.asked) == 2


UNTOUCHED = [
    call_of(["a", "b"]),
    call_of([[1], [2]]),
    call_of([]),
    call_of([[]]),
    call_of(["a", 1]),
    call_of({"text": "a"}),
    call_of("x" * LARGEST),
    call_of([1, 2], dialect=MODERATIONS),
    call_of([{"type": "text", "text": "a"}], dialect=MODERATIONS),
    msgspec.structs.replace(call_of("a"), stream=True),
    msgspec.structs.replace(call_of("a"), content_type="multipart/form-data"),
]


@pytest.mark.parametrize("call", UNTOUCHED)
@in_own_time
async def test_what_is_no_single_input_passes_untouched_and_at_once(call):
    batching, fake = open_batching()
    fake.document = b"{}"
    gathered = Gathered()
    await batching.call(call, gathered)
    assert fake.asked[0] is call
    assert fake.times == [0]


@in_own_time
async def test_one_text_in_a_list_and_tokens_in_either_form_are_single_inputs():
    batching, fake = open_batching()
    documents = await ask_all(batching, [call_of(given) for given in ("a", ["b"], [1, 2], [[3]])])
    assert [inputs_of(call) for call in fake.asked] == [["a", "b"], [[1, 2], [3]]]
    for given, document in zip(["a", "b", [1, 2], [3]], documents, strict=True):
        assert vector(given) in document


@in_own_time
async def test_moderations_come_back_in_the_order_of_their_inputs():
    batching, fake = open_batching()
    documents = await ask_all(batching, [call_of(given, dialect=MODERATIONS) for given in "ab"])
    assert len(fake.asked) == 1
    for given, document in zip("ab", documents, strict=True):
        result = {"flagged": False, "score": orjson.loads(vector(given))}
        assert orjson.loads(document) == {"id": "modr-1", "results": [result], "model": "theirs"}


@in_own_time
async def test_the_shares_of_what_was_used_add_up_and_say_that_they_are_estimated():
    batching, _ = open_batching()
    calls = [call_of("x" * length) for length in (1, 10, 100, 1000)]
    documents = await ask_all(batching, calls)
    assert all(call.meter.usage.is_estimated for call in calls)
    assert sum(call.meter.usage.input_tokens for call in calls) == 1111
    told = [orjson.loads(document)["usage"]["prompt_tokens"] for document in documents]
    assert told == [call.meter.usage.input_tokens for call in calls]
    assert told == sorted(told)


@in_own_time
async def test_where_too_many_batches_wait_a_call_is_asked_alone(monkeypatch):
    monkeypatch.setattr(module, "MOST_WAITING", 1)
    batching, fake = open_batching()
    await ask_all(batching, [call_of("a"), call_of("b", user="u"), call_of("c")])
    assert [inputs_of(call) for call in fake.asked] == [["b"], ["a", "c"]]
    assert fake.times == [0, pytest.approx(WINDOW)]


@in_own_time
async def test_it_shows_its_state_and_tells_of_its_batches():
    noted = []
    batching, fake = open_batching(note_batch=noted.append)
    fake.gate.clear()
    tasks = await begin(batching, [call_of("a"), call_of("b")])
    assert batching.statistics() == {"waiting": 2, "running": 0, "batches": 0, "calls": 0, "refused": 0}
    await asyncio.sleep(2 * WINDOW)
    assert "0 waiting, 1 running" in repr(batching)
    fake.gate.set()
    await asyncio.gather(*tasks)
    await asyncio.sleep(0)
    assert batching.statistics() == {"waiting": 0, "running": 0, "batches": 1, "calls": 2, "refused": 0}
    assert noted == [2]
