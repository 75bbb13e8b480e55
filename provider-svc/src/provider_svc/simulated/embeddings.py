"""Simulated embeddings: unit vectors that follow from nothing but the text, so that equal texts are equally near."""

import math
import struct
from base64 import b64encode
from hashlib import shake_256
from typing import Annotated, Literal

import msgspec
import orjson

from provider_svc.simulated.played import Asked, Json, Played, make_id
from provider_svc.simulated.request import read_body, refused
from runestone.common.v1.usage_pb2 import Usage

USUAL_DIMENSIONS = 256
MOST_NUMBERS = 1 << 19  # of all vectors of a call: what is computed at once holds up other calls

Tokens = Annotated[list[int], msgspec.Meta(min_length=1)]


class Request(msgspec.Struct):
    """A request for embeddings: of one text or of several, each as text or as tokens."""

    input: str | list[str | int | Tokens]
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=4096)] = USUAL_DIMENSIONS
    encoding_format: Literal["float", "base64"] = "float"


_decode = msgspec.json.Decoder(Request).decode


def play_embeddings(asked: Asked) -> Played:
    """A vector for each text. Raises PROVIDER_REFUSED with what is wrong with the request."""
    request = read_body(_decode, asked.members)
    texts = _list_texts(request.input)
    if len(texts) * request.dimensions > MOST_NUMBERS:
        raise refused(f"the simulated provider makes at most {MOST_NUMBERS} numbers at once", "input")
    data: list[Json] = [
        {"object": "embedding", "index": index, "embedding": _write(embed(text, request.dimensions), request)}
        for index, text in enumerate(texts)
    ]
    usage = Usage(input_tokens=sum(max(1, len(text.split())) for text in texts))
    count = {"prompt_tokens": usage.input_tokens, "total_tokens": usage.input_tokens}
    document = {"object": "list", "data": data, "model": asked.call.model, "usage": count}
    return Played(make_id("embd", asked.call.call_id), [orjson.dumps(document)], usage)


def embed(text: str, dimensions: int) -> list[float]:
    """The unit vector of `text`."""
    noise = shake_256(text.encode("utf-8", "surrogatepass")).digest(4 * dimensions)
    numbers = [number + 0.5 for number in struct.unpack(f"<{dimensions}i", noise)]  # never all 0
    length = math.sqrt(math.fsum(number * number for number in numbers))
    return [number / length for number in numbers]


def _list_texts(given: str | list[str | int | list[int]]) -> list[str]:
    """Tokens stand for the text of their numbers."""
    if isinstance(given, str):
        texts = [given]
    elif given and all(isinstance(item, int) for item in given):
        texts = [" ".join(map(str, given))]
    elif any(isinstance(item, int) for item in given):
        raise refused("input mixes tokens with texts", "input")
    else:
        texts = [" ".join(map(str, item)) if isinstance(item, list) else str(item) for item in given]
    if not texts or not all(texts):
        raise refused("input is empty", "input")
    return texts


def _write(vector: list[float], request: Request) -> object:
    if request.encoding_format == "float":
        return vector
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
