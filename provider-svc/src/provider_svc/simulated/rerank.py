"""Simulated ranking: a document is the nearer to the query, the more of its words they share."""

from typing import Annotated

import msgspec
import orjson

from provider_svc.simulated.played import Asked, Json, Played, make_id
from provider_svc.simulated.request import read_body
from runestone.common.v1.usage_pb2 import Usage


class Document(msgspec.Struct):
    """A document as an object."""

    text: str = ""


class Request(msgspec.Struct):
    """A request to put documents in the order in which they answer a query."""

    query: str
    documents: Annotated[list[str | Document], msgspec.Meta(min_length=1, max_length=10_000)]
    top_n: Annotated[int, msgspec.Meta(ge=1)] | None = None
    return_documents: bool = False


_decode = msgspec.json.Decoder(Request).decode


def play_ranking(asked: Asked) -> Played:
    """The best documents first. Raises PROVIDER_REFUSED with what is wrong with the request."""
    request = read_body(_decode, asked.members)
    texts = [item if isinstance(item, str) else item.text for item in request.documents]
    scores = [compare(request.query, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: (-scores[index], index))
    results: list[Json] = [
        {"index": index, "relevance_score": scores[index]}
        | ({"document": {"text": texts[index]}} if request.return_documents else {})
        for index in order[: request.top_n]
    ]
    usage = Usage(input_tokens=sum(len(text.split()) for text in (request.query, *texts)))
    name = make_id("rerank", asked.call.call_id)
    count = {"total_tokens": usage.input_tokens}
    document = {"id": name, "model": asked.call.model, "results": results, "usage": count}
    return Played(name, [orjson.dumps(document)], usage)


def compare(query: str, text: str) -> float:
    """The share of the words of both that both have, from 0 to 1 (Jaccard)."""
    asked, said = set(query.lower().split()), set(text.lower().split())
    return round(len(asked & said) / len(asked | said), 6) if asked | said else 0.0
