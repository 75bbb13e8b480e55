"""What the edge reads at each endpoint: the model, whether events are wanted, whether asking again gives the same answer."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from chassis.config import Catalog
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.callers.tenants import Principal
from gateway_edge.endpoints.table import CHAT, ENDPOINTS
from gateway_edge.idempotency.key import fingerprint_call
from gateway_edge.middleware.validate import Validate
from gateway_edge.question.body import name_model

TURNS = [{"role": "user", "content": "hi"}]
LEAST: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": TURNS},
    "/v1/completions": {"prompt": "Once"},
    "/v1/responses": {"input": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/moderations": {"input": "hi"},
    "/v1/images/generations": {"prompt": "a cat"},
    "/v1/audio/speech": {"input": "hi", "voice": "alloy"},
    "/v1/rerank": {"query": "cats", "documents": ["a", "b"]},
    "/v1/messages": {"messages": TURNS, "max_tokens": 5},
    "/v1/messages/count_tokens": {"messages": TURNS},
}
FORMS = [path for path, endpoint in ENDPOINTS.items() if endpoint.is_form]
FORM = "multipart/form-data; boundary=edge"
ACME = Principal(tenant="acme", key="ci")

Asks = Callable[..., Any]


def form(path: str = "/v1/audio/transcriptions", *, boundary: str = "edge", **fields: str) -> bytes:
    file, texts = ("image", {"prompt": "p"}) if path.endswith("edits") else ("file", {})
    given = {"model": "simulated", **texts, **fields}
    parts = [f'form-data; name="{name}"\r\n\r\n{text}' for name, text in given.items()]
    parts.append(f'form-data; name="{file}"; filename="a"\r\nContent-Type: audio/wav\r\n\r\nsound')
    return "".join(f"--{boundary}\r\nContent-Disposition: {part}\r\n" for part in parts).encode() + b"--%b--\r\n" % (
        boundary.encode()
    )


@pytest.fixture
def ask(make_call: Callable[..., Call], catalog: Catalog) -> Asks:
    """A call that was validated: of JSON members, or of a body as it is."""

    async def validated(path: str, body: bytes | None = None, *, is_strict: bool = True, **members: Any) -> Call:
        headers = {"content-type": members.pop("content_type", FORM)}
        model = members.pop("path_model", "")
        if body is None:
            body = orjson.dumps({"model": "simulated", **LEAST[path], **members})
        call = make_call(body, is_bare=True, endpoint=ENDPOINTS[path], headers=headers, model=model)
        call.principal = ACME

        async def end(call: Call) -> None:
            """What comes behind is somebody else's."""

        await Validate(catalog, is_strict=is_strict)(call, end)
        return call

    return validated


def test_the_least_is_known_of_every_endpoint() -> None:
    assert set(LEAST) | set(FORMS) == set(ENDPOINTS)


@pytest.mark.parametrize("path", LEAST)
async def test_json_goes_on_as_the_bytes_it_is(ask: Asks, path: str) -> None:
    body = orjson.dumps({"model": "simulated", **LEAST[path], "brand_new": 1.50}) + b" \n"
    call = await ask(path, body, is_strict=False)
    assert call.asked.body is body and call.asked.endpoint is ENDPOINTS[path]
    assert (call.asked.view.model, call.asked.is_stream, call.asked.form) == ("simulated", False, None)


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_goes_on_as_the_bytes_it_is(ask: Asks, path: str) -> None:
    body = form(path)
    call = await ask(path, body)
    assert call.asked.body is body and call.asked.form is not None
    assert (call.asked.view.model, call.asked.is_stream, call.asked.is_ambiguous) == ("simulated", False, False)


STREAMS = [
    *(("/v1/" + name, {"stream": True}) for name in ("chat/completions", "completions", "responses", "messages"))
]
STREAMS += [("/v1/images/generations", {"stream": True}), ("/v1/audio/speech", {"stream_format": "sse"})]
NO_STREAMS = [("/v1/embeddings", {"stream": True}), ("/v1/audio/speech", {"stream_format": "audio"})]
NO_STREAMS += [("/v1/rerank", {"stream": True}), ("/v1/audio/speech", {"stream": True})]


@pytest.mark.parametrize(("path", "members"), [*STREAMS, *NO_STREAMS])
async def test_events_are_expected_where_the_endpoint_has_them(ask: Asks, path: str, members: dict[str, Any]) -> None:
    assert (await ask(path, is_strict=False, **members)).asked.is_stream is ((path, members) in STREAMS)


@pytest.mark.parametrize(("text", "is_stream"), [("true", True), ("false", False)])
async def test_a_form_says_in_a_text_that_it_wants_events(ask: Asks, text: str, is_stream: bool) -> None:
    assert (await ask("/v1/audio/transcriptions", form(stream=text))).asked.is_stream is is_stream


DETERMINISTIC = [
    ("/v1/chat/completions", {"temperature": 0}),
    ("/v1/chat/completions", {"seed": 1}),
    ("/v1/completions", {"seed": 1}),
    ("/v1/responses", {"temperature": 0}),
    ("/v1/messages", {"temperature": 0}),
    ("/v1/messages/count_tokens", {}),
    ("/v1/embeddings", {}),
    ("/v1/moderations", {}),
    ("/v1/rerank", {}),
]
DRAWN = [(path, {}) for path in LEAST if (path, {}) not in DETERMINISTIC]


@pytest.mark.parametrize(("path", "members"), [*DETERMINISTIC, *DRAWN])
async def test_what_is_computed_is_deterministic_and_what_is_drawn_is_not(
    ask: Asks, path: str, members: dict[str, Any]
) -> None:
    view = (await ask(path, **members)).asked.view
    assert view.is_deterministic is ((path, members) in DETERMINISTIC)


@pytest.mark.parametrize(
    "members",
    [
        {"store": False},
        {"background": True},
        {"previous_response_id": "r"},
    ],
)
async def test_what_lives_at_the_provider_is_kept_back(ask: Asks, members: dict[str, Any]) -> None:
    assert (await ask("/v1/responses", **members)).asked.view.is_kept_back
    assert not (await ask("/v1/responses", store=True, background=False)).asked.view.is_kept_back


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"input": [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "msg_1"}]}, "input[1]"),
        ({"input": [{"role": "user", "content": "x"}, {"id": "msg_1"}]}, "input[1]"),
        ({"input": [{"type": None, "id": "msg_1"}]}, "input[0]"),
    ],
)
async def test_what_may_be_another_tenants_is_not_gone_on_with(ask: Asks, members: dict[str, Any], param: str) -> None:
    """The provider's account is shared: an id alone says nothing of whose it is."""
    with pytest.raises(RunestoneError) as refusal:
        await ask("/v1/responses", **members)
    assert (refusal.value.reason, refusal.value.param) == (Reason.INVALID_REQUEST, param)
    assert "whose" in refusal.value.message


async def test_words_about_references_are_no_references(ask: Asks) -> None:
    said = [{"role": "user", "content": "what is an item_reference?", "id": "msg_1"}]
    assert (await ask("/v1/responses", input=said, conversation=None)).asked.view.model


@pytest.mark.parametrize("path", LEAST)
async def test_a_fault_is_named_by_its_path(ask: Asks, path: str) -> None:
    with pytest.raises(RunestoneError) as refusal:
        await ask(path, **dict.fromkeys(LEAST[path], 7))
    assert refusal.value.reason is Reason.INVALID_REQUEST and refusal.value.param


@pytest.mark.parametrize("path", FORMS)
async def test_json_where_a_form_belongs_is_refused(ask: Asks, path: str) -> None:
    with pytest.raises(RunestoneError, match="must be multipart/form-data"):
        await ask(path, b'{"model": "simulated"}', content_type="application/json")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_another_tenants_model_does_not_exist_at_any_endpoint(ask: Asks, path: str) -> None:
    body = form(path, model="secret") if path in FORMS else orjson.dumps({**LEAST[path], "model": "secret"})
    with pytest.raises(RunestoneError) as refusal:
        await ask(path, body)
    assert refusal.value.reason is Reason.MODEL_NOT_FOUND


@pytest.mark.parametrize("path", [*LEAST, *FORMS])
async def test_a_strict_pipeline_refuses_unknown_members_at_every_endpoint(ask: Asks, path: str) -> None:
    body = form(path, brand_new="1") if path in FORMS else orjson.dumps({"model": "m", **LEAST[path], "brand_new": 1})
    with pytest.raises(RunestoneError) as refusal:
        await ask(path, body)
    assert refusal.value.param == "brand_new"


# The model that a path names.


@pytest.mark.parametrize("own", [{}, {"model": "other"}, {"model": "simulated"}, {"model": None}])
async def test_the_model_of_the_path_is_the_one_that_is_asked(ask: Asks, own: dict[str, Any]) -> None:
    """So that all who read the body read the same."""
    call = await ask(CHAT.path, orjson.dumps({**own, "messages": TURNS}), path_model="simulated")
    assert call.asked.view.model == "simulated"
    assert orjson.loads(call.asked.body) == {"model": "simulated", "messages": TURNS}
    assert not call.asked.is_ambiguous


async def test_the_model_of_the_path_counts_for_a_form(ask: Asks) -> None:
    body = form(model="other")
    call = await ask("/v1/audio/transcriptions", body, path_model="simulated")
    assert call.asked.view.model == "simulated" and call.asked.body is body


async def test_the_same_bytes_ask_another_model_where_the_path_names_another(ask: Asks) -> None:
    body = orjson.dumps({"messages": TURNS})
    keys = {fingerprint_call(await ask(CHAT.path, body, path_model="simulated"))}
    with pytest.raises(RunestoneError, match="'other'"):
        await ask(CHAT.path, body, path_model="other")
    assert keys == {fingerprint_call(await ask(CHAT.path))}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a": 1, "a": 2}', b'{"model": "m", "model": "n"}', b"\xff"])
def test_a_model_is_put_into_nothing_but_a_plain_object(body: bytes) -> None:
    """What is refused otherwise is refused here too."""
    assert name_model(body, "x") is body


def test_a_model_that_stands_there_already_changes_no_byte() -> None:
    body = b'{ "model": "x", "n": 1.0 }'
    assert name_model(body, "x") is body
    assert name_model(body, "y") == b'{"model":"y","n":1.0}'


# Bytes that came before.


async def test_the_same_bytes_at_another_endpoint_are_another_question(
    make_call: Callable[..., Call], catalog: Catalog
) -> None:
    """What was read of them is remembered by endpoint, too."""
    validate, body = Validate(catalog, is_strict=False), orjson.dumps({"model": "simulated", "input": "hi"})

    async def end(call: Call) -> None:
        """What comes behind is somebody else's."""

    for path in ("/v1/embeddings", "/v1/responses") * 4:
        call = make_call(body, is_bare=True, endpoint=ENDPOINTS[path])
        call.principal = ACME
        await validate(call, end)
        assert call.asked.endpoint is ENDPOINTS[path] and isinstance(call.asked.view, ENDPOINTS[path].view)


async def test_an_idempotency_key_stands_for_what_a_form_holds(ask: Asks) -> None:
    """A client that tries again parts it otherwise."""
    path = "/v1/audio/transcriptions"
    first = fingerprint_call(await ask(path, form()))
    again = fingerprint_call(
        await ask(path, form(boundary="other"), content_type="multipart/form-data; boundary=other")
    )
    other = fingerprint_call(await ask(path, form(prompt="x")))
    elsewhere = fingerprint_call(await ask("/v1/audio/translations", form()))
    assert first == again and len({first, other, elsewhere}) == 3
