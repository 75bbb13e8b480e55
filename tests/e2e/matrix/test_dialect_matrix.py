"""Every client reaches every provider: each SDK, each maker, streamed and whole, feature by feature. docs/dialects.md shows the table."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jsonschema_rs
import pytest
from fake_provider import FakeProvider
from makers import MAKERS, mesh_of_makers
from real_mesh import ACME, Mesh
from sdk_clients import CLIENTS, RESULT, SCHEMA, Got, SdkClient

PAGE = Path(__file__).parents[3] / "docs" / "dialects.md"
BEGIN, END = "<!-- matrix -->\n", "<!-- matrix: end -->"

FEATURES = ("text", "tools", "images", "structured", "thinking")
# What the fake provider is to do, by feature; a compatible one tells its thoughts where most of them do.
WISHES = {
    "text": "say=all is well",
    "tools": "say=all is well,calls=2,rounds=1",
    "images": "say=all is well",
    "structured": "words=1",
    "thinking": "say=all is well,calls=1,rounds=1",
}
TELLING = ",reasoning_field=reasoning_content"
# Where a feature is less than whole, and why.
NOTES = {
    (
        "openai SDK, chat",
        "OpenAI",
        "thinking",
    ): "counted, not shown: OpenAI's Chat Completions do not tell what a model thinks",
}


@pytest.fixture(scope="module")
def many_makers() -> Iterator[Mesh]:
    with mesh_of_makers() as running:
        yield running


@pytest.fixture
async def fake(many_makers: Mesh) -> AsyncIterator[FakeProvider]:
    async with FakeProvider(many_makers.fake_port) as provider:
        yield provider


@pytest.fixture(params=CLIENTS)
async def client(request: pytest.FixtureRequest, many_makers: Mesh) -> AsyncIterator[SdkClient]:
    sdk = CLIENTS[request.param](many_makers.url, ACME)
    yield sdk
    await sdk.close()


def model_of(provider: str, feature: str) -> str:
    return f"{provider}/{WISHES[feature]}{TELLING if provider == 'compatible' else ''}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("provider", MAKERS)
async def test_every_client_reaches_every_provider(
    fake: FakeProvider, client: SdkClient, provider: str, feature: str, stream: bool
) -> None:
    members = client.begin(model_of(provider, feature), feature)
    got = await client.ask(members, stream=stream)
    rounds = [got]
    if got.calls:
        members = client.go_on(members, got)
        rounds.append(await client.ask(members, stream=stream))
    CHECKS[feature](rounds, NOTES.get((client.name, provider, feature)))
    assert all(one.usage[0] == 11 and one.usage[1] > 0 for one in rounds)
    assert fake.requests == len(rounds)


def check_text(rounds: list[Got], note: str | None) -> None:
    (got,) = rounds
    assert (got.text, got.stop, note) == ("all is well", "stop", None)


def check_tools(rounds: list[Got], note: str | None) -> None:
    """Two calls at once, whose results come back to the model."""
    called, answered = rounds
    assert called.stop == "tool_calls" and note is None
    assert [call.name for call in called.calls] == ["weather", "weather"]
    assert all(jsonschema_rs.is_valid(SCHEMA, call.arguments) for call in called.calls)
    assert answered.text.count(f": {RESULT}]") == 2 and answered.text.endswith("all is well")
    assert answered.stop == "stop"


def check_images(rounds: list[Got], note: str | None) -> None:
    """The model saw the very picture."""
    (got,) = rounds
    assert (got.text, note) == ("[image/png 70 bytes] all is well", None)


def check_structured(rounds: list[Got], note: str | None) -> None:
    (got,) = rounds
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(got.text)) and note is None


def check_thinking(rounds: list[Got], note: str | None) -> None:
    """It is shown, and a loop of tools goes on with it: the makers refuse one that lost its thoughts, or their seal."""
    called, answered = rounds
    assert bool(called.thinking) is (note is None)
    assert [call.name for call in called.calls] == ["weather"]
    assert f": {RESULT}]" in answered.text


CHECKS = {
    "text": check_text,
    "tools": check_tools,
    "images": check_images,
    "structured": check_structured,
    "thinking": check_thinking,
}


def write_table() -> str:
    """Each cell is a test above, streamed and whole."""
    rows = ["| client | provider | " + " | ".join(FEATURES) + " |", "|---|---|" + "---|" * len(FEATURES)]
    notes: list[str] = []
    for name in CLIENTS:
        for provider in MAKERS:
            cells = []
            for feature in FEATURES:
                note = NOTES.get((name, provider, feature))
                notes += [note] if note else []
                cells.append(f"({len(notes)})" if note else "yes")
            rows.append(f"| {name} | {provider} | " + " | ".join(cells) + " |")
    return "\n".join([*rows, "", *(f"({number}) {note}" for number, note in enumerate(notes, 1))]) + "\n"


def test_the_documents_show_the_table_that_is_tested() -> None:
    page = PAGE.read_text()
    assert write_table() == page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
