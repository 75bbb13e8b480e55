"""What each client's request becomes for each provider, and each provider's answer for each client: one golden file a pair and feature.

The requests and streams are those that every dialect keeps for itself. `GOLDEN=write` writes the files anew; then `git diff` shows
what a change of one dialect does to the others.
"""

import os
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from chassis.errors import RunestoneError
from chassis.sse import find_ends, read_event
from provider_svc.dialects.dialect import Asked
from provider_svc.dialects.losses import Losses
from provider_svc.dialects.said import Said
from provider_svc.dialects.table import DIALECTS
from runestone.common.v1.dialect_pb2 import (
    DIALECT_ANTHROPIC_MESSAGES,
    DIALECT_OPENAI_CHAT,
    DIALECT_OPENAI_RESPONSES,
    Dialect,
)

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
CREATED = 1_800_000_000
WRITES = os.environ.get("GOLDEN") == "write"

NAMES = {DIALECT_OPENAI_CHAT: "chat", DIALECT_OPENAI_RESPONSES: "responses", DIALECT_ANTHROPIC_MESSAGES: "messages"}
# Where each dialect keeps what its clients send, and what its makers stream; how the names of the files end.
REQUESTS = {
    DIALECT_OPENAI_CHAT: ("openai_chat/golden/read", ".body.json"),
    DIALECT_OPENAI_RESPONSES: ("openai_responses/golden/requests", ".read.json"),
    DIALECT_ANTHROPIC_MESSAGES: ("anthropic_messages/golden/read", ".json"),
}
STREAMS = {
    DIALECT_OPENAI_CHAT: ("openai_chat/golden/streams", ".sse"),
    DIALECT_OPENAI_RESPONSES: ("openai_responses/golden/streams", ".upstream.sse"),
    DIALECT_ANTHROPIC_MESSAGES: ("anthropic_messages/golden/streams", ".sse"),
}
# A client's members that shape its answer: it wants all that can be told.
WANTS = {
    DIALECT_OPENAI_CHAT: b'{"stream_options":{"include_usage":true},"logprobs":true}',
    DIALECT_OPENAI_RESPONSES: b'{"include":["reasoning.encrypted_content","message.output_text.logprobs"]}',
    DIALECT_ANTHROPIC_MESSAGES: b"{}",
}


def list_cases(places: dict[Dialect.ValueType, tuple[str, str]]) -> Iterator[object]:
    """Whose it is, for whom it is translated, and the file."""
    for whose, other in permutations(NAMES, 2):
        folder, ending = places[whose]
        for path in sorted((HERE.parent / folder).glob(f"*{ending}")):
            if not path.name.endswith(".prompt.json"):
                name = path.name.removesuffix(ending)
                yield pytest.param(whose, other, path, id=f"{NAMES[whose]}-{NAMES[other]}-{name}")


def hold(path: Path, found: bytes) -> None:
    """`found` is what the golden file says."""
    if WRITES:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(found)
    assert found == path.read_bytes()


def show(document: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


@pytest.mark.parametrize(("asked", "spoken", "path"), list(list_cases(REQUESTS)))
def test_a_clients_request_for_a_provider_of_another_dialect(
    asked: Dialect.ValueType, spoken: Dialect.ValueType, path: Path
) -> None:
    """With what is left out where the route allows it, and why it is refused where the route is strict."""
    members = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    golden = GOLDEN / f"{NAMES[asked]}_to_{NAMES[spoken]}" / path.name.replace(REQUESTS[asked][1], ".json")
    hold(golden, show(translate(asked, spoken, members)))


def translate(
    asked: Dialect.ValueType, spoken: Dialect.ValueType, members: dict[str, msgspec.Raw]
) -> dict[str, object]:
    told: dict[str, object] = {}
    for is_strict in (True, False):
        losses = Losses(is_strict=is_strict)
        try:
            body = DIALECTS[spoken].write_prompt(DIALECTS[asked].read_prompt(members, losses), losses)
        except RunestoneError as refusal:
            told["refused" if is_strict else "refused anyway"] = {"param": refusal.param, "message": refusal.message}
        else:
            told["dropped"] = losses.paths
            told["body"] = body
    return told


@pytest.mark.parametrize(("spoken", "asked", "path"), list(list_cases(STREAMS)))
def test_a_providers_answer_for_a_client_of_another_dialect(
    spoken: Dialect.ValueType, asked: Dialect.ValueType, path: Path
) -> None:
    """Event by event, and whole."""
    folder = GOLDEN / f"{NAMES[spoken]}_for_{NAMES[asked]}"
    name = path.name.removesuffix(STREAMS[spoken][1])
    events, document = answer(spoken, asked, path.read_bytes())
    hold(folder / f"{name}.sse", events)
    hold(folder / f"{name}.json", document)


def answer(spoken: Dialect.ValueType, asked: Dialect.ValueType, stream: bytes) -> tuple[bytes, bytes]:
    question = Asked(msgspec.json.decode(WANTS[asked], type=dict[str, msgspec.Raw]), CREATED)
    reader, writer = DIALECTS[spoken].open_reader(), DIALECTS[asked].open_writer(question)
    said, events = Said(), b""
    ends = find_ends(stream)
    for start, end in zip([0, *ends], ends, strict=False):
        if data := read_event(stream[start:end]).data:
            for step in reader.read(data):
                said.add(step)
                events += b"".join(writer.write(step))
    return events, msgspec.json.format(write_whole(said, asked, question), indent=1) + b"\n"


def write_whole(said: Said, asked: Dialect.ValueType, question: Asked) -> bytes:
    """The document, why there is none, or null for an answer that is cut."""
    try:
        return DIALECTS[asked].write_document(said, question) if said.is_whole else b"null"
    except RunestoneError as refusal:
        return msgspec.json.encode({"refused": refusal.message})
