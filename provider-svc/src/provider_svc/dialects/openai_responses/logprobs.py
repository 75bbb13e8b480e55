"""Tokens' log probabilities: Responses and Chat Completions have the same object, of which Responses' streams leave out `bytes`."""

from collections.abc import Iterable
from typing import Any

from provider_svc.dialects.openai_responses.answer_schema import DrawnToken, Token
from provider_svc.dialects.prompt import Json


def read_logprobs(logprobs: Iterable[DrawnToken]) -> list[Any]:
    """As the mesh has them: with `bytes`, None where they were not said, and with `top_logprobs`."""
    return [
        {**_token(drawn), "top_logprobs": [_token(other) for other in drawn.top_logprobs or ()]} for drawn in logprobs
    ]


def _token(token: Token) -> Json:
    return {"token": token.token, "logprob": token.logprob, "bytes": token.bytes}


def write_logprobs(logprobs: Iterable[Json]) -> list[Json]:
    """As a whole part has them: with the token's bytes."""
    return [
        {**_spelt(logprob), "top_logprobs": [_spelt(other) for other in logprob.get("top_logprobs") or ()]}
        for logprob in logprobs
    ]


def _spelt(logprob: Json) -> Json:
    token = logprob.get("token") or ""
    spelling = logprob.get("bytes")
    return {
        "token": token,
        "bytes": list(token.encode()) if spelling is None else spelling,
        "logprob": logprob.get("logprob") or 0.0,
    }
