"""The official clients, unmodified, at every endpoint: what the gateway itself says is in the words of each client's maker."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from real_mesh import ACME, Mesh

HELLO: Any = [{"role": "user", "content": "Hello, who are you?"}]
NOBODY = "simulated/no/such"
Ask = Callable[[Any], object]


@pytest.fixture
def claude(mesh: Mesh) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=mesh.url, api_key=ACME, max_retries=0) as client:
        yield client


@pytest.fixture
def client(mesh: Mesh) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{mesh.url}/v1", api_key=ACME, max_retries=0) as client:
        yield client


@pytest.fixture
def azure(mesh: Mesh) -> Iterator[openai.AzureOpenAI]:
    with openai.AzureOpenAI(azure_endpoint=mesh.url, api_key=ACME, api_version="2024-10-21", max_retries=0) as client:
        yield client


MESSAGES: list[tuple[Ask, type[anthropic.APIStatusError], str]] = [
    (lambda it: it.messages.create(model=7, max_tokens=5, messages=HELLO), anthropic.BadRequestError, "model: must be"),
    (lambda it: it.messages.create(model="x", max_tokens=5, messages=HELLO), anthropic.NotFoundError, "does not exist"),
    (lambda it: it.messages.count_tokens(model="x", messages=HELLO), anthropic.NotFoundError, "does not exist"),
    (lambda it: it.messages.count_tokens(model="simulated", messages=[]), anthropic.BadRequestError, "messages: must"),
    (
        lambda it: it.with_options(api_key="wrong-key-0123456789").messages.create(
            model="simulated", max_tokens=5, messages=HELLO
        ),
        anthropic.AuthenticationError,
        "key",
    ),
]


@pytest.mark.parametrize(("ask", "kind", "words"), MESSAGES)
def test_anthropics_client_raises_its_own_errors(
    claude: anthropic.Anthropic, ask: Ask, kind: type[anthropic.APIStatusError], words: str
) -> None:
    with pytest.raises(kind, match=words) as refusal:
        ask(claude)
    body: Any = refusal.value.body
    answer = refusal.value.response
    assert (
        refusal.value.request_id == answer.headers["request-id"] == answer.headers["x-request-id"] == body["request_id"]
    )
    assert body["type"] == "error" and set(body["error"]) == {"type", "message"}


def test_anthropics_client_lists_the_models(claude: anthropic.Anthropic) -> None:
    page = claude.models.list()
    names = [model.id for model in page]
    assert "simulated" in names and (names[0], names[-1]) == (page.first_id, page.last_id)
    assert claude.models.retrieve("simulated").display_name == "simulated"
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve(NOBODY)


# OpenAI's client warns of translations, which it has still.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

SPEECH = ("a.wav", b"RIFF")
UNKNOWN: dict[str, Ask] = {
    "completions": lambda it: it.completions.create(model=NOBODY, prompt="Once"),
    "responses": lambda it: it.responses.create(model=NOBODY, input="hi"),
    "embeddings": lambda it: it.embeddings.create(model=NOBODY, input="hi"),
    "moderations": lambda it: it.moderations.create(model=NOBODY, input="hi"),
    "images": lambda it: it.images.generate(model=NOBODY, prompt="a cat"),
    "edits": lambda it: it.images.edit(model=NOBODY, prompt="a cat", image=[SPEECH, SPEECH]),
    "speech": lambda it: it.audio.speech.create(model=NOBODY, input="hi", voice="alloy"),
    "transcriptions": lambda it: it.audio.transcriptions.create(model=NOBODY, file=SPEECH, include=["logprobs"]),
    "translations": lambda it: it.audio.translations.create(model=NOBODY, file=SPEECH),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_openais_client_reaches_every_endpoint_and_reads_its_refusals(client: openai.OpenAI, name: str) -> None:
    """What it sends is understood, forms too, down to the model, which nobody has."""
    with pytest.raises(openai.NotFoundError) as refusal:
        UNKNOWN[name](client)
    assert (refusal.value.code, refusal.value.param) == ("model_not_found", "model")
    assert NOBODY in refusal.value.message


@pytest.mark.parametrize("name", sorted(set(UNKNOWN) - {"moderations"}))
def test_azures_client_names_the_model_in_the_path(azure: openai.AzureOpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        UNKNOWN[name](azure)
    assert refusal.value.code == "model_not_found" and NOBODY in refusal.value.message


def test_azures_client_is_answered(azure: openai.AzureOpenAI) -> None:
    whole = azure.chat.completions.create(model="simulated", messages=HELLO)
    chunks = azure.chat.completions.create(model="simulated", messages=HELLO, stream=True)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == whole.choices[0].message.content != ""


def test_a_deployment_needs_no_model_in_its_body_and_overrides_one(azure: openai.AzureOpenAI) -> None:
    for body in ({"messages": HELLO}, {"model": "another", "messages": HELLO}):
        answer = azure.post("/deployments/simulated/chat/completions", body=body, cast_to=object)
        assert json.loads(json.dumps(answer))["object"] == "chat.completion"


def test_what_is_no_form_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.post("/audio/transcriptions", body={"model": "simulated"}, cast_to=object)
    assert "multipart/form-data" in refusal.value.message
