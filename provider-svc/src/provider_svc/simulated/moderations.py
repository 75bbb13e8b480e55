"""Simulated moderations: a text that calls a category by its name is flagged with it."""

from hashlib import sha256

import msgspec
import orjson

from provider_svc.simulated.played import Asked, Json, Played, make_id
from provider_svc.simulated.request import Part, read_body, refused

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
SURE = 0.98  # the score of what is flagged; what is not has a hundredth at most


class Request(msgspec.Struct):
    """A request to look at texts, or at one text in parts."""

    input: str | list[str | Part]


_decode = msgspec.json.Decoder(Request).decode


def play_moderation(asked: Asked) -> Played:
    """A result for each text. Raises PROVIDER_REFUSED with what is wrong with the request."""
    texts = _list_texts(read_body(_decode, asked.members).input)
    if not texts:
        raise refused("input is empty", "input")
    name = make_id("modr", asked.call.call_id)
    document = {"id": name, "model": asked.call.model, "results": [_judge(text) for text in texts]}
    return Played(name, [orjson.dumps(document)])


def _list_texts(given: str | list[str | Part]) -> list[str]:
    if isinstance(given, str):
        return [given]
    parts = [item.text for item in given if isinstance(item, Part)]
    return [item for item in given if isinstance(item, str)] + ([" ".join(parts)] if parts else [])


def _judge(text: str) -> Json:
    words = set(text.lower().split())
    flags = {category: category in words for category in CATEGORIES}
    scores = {category: SURE if flags[category] else _score(category, text) for category in CATEGORIES}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
    }


def _score(category: str, text: str) -> float:
    noise = sha256(f"{category}:{text}".encode("utf-8", "surrogatepass")).digest()
    return round(int.from_bytes(noise[:2], "big") / (100 << 16), 8)
