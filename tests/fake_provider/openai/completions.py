"""Legacy Completions."""

from collections.abc import Iterator
from typing import Any

import orjson

from fake_provider.answer import Answer, reply
from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.openai.chat import CREATED, FINISHES, usage
from fake_provider.openai.logprobs import LOGPROB
from fake_provider.openai.tools import check_range
from fake_provider.question import Question
from fake_provider.refusal import Refusal, demand, unknown
from fake_provider.sse import DONE, data, is_done

MEMBERS = frozenset(
    [
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "model",
        "n",
        "presence_penalty",
        "prompt",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "suffix",
        "temperature",
        "top_p",
        "user",
    ]
)


def check(exchange: Exchange) -> None:
    if exchange.wishes.strict and (name := unknown(exchange.document, MEMBERS)):
        raise Refusal(f"Unrecognized request argument supplied: {name}")
    demand(exchange.model, "you must provide a model parameter")
    demand(exchange.document.get("prompt") is not None, "Missing required parameter: 'prompt'.", param="prompt")
    check_range(exchange.document, "temperature", 0.0, 2.0)
    check_range(exchange.document, "logprobs", 0, 5)


def document(exchange: Exchange) -> bytes:
    answer = _answer(exchange)
    pieces = _pieces(answer)
    choices = []
    for index, prompt in enumerate(_prompts(exchange.document)):
        said = [str(prompt), *pieces] if exchange.document.get("echo") else pieces
        choices.append(_choice(exchange, index, said, FINISHES[answer.finish]))
    body = {**_head(exchange), "choices": choices}
    return orjson.dumps(body if exchange.wishes.no_usage else {**body, "usage": usage(exchange, answer)})


def events(exchange: Exchange) -> Iterator[bytes]:
    answer, head = _answer(exchange), _head(exchange)
    options = exchange.document.get("stream_options") or {}
    counts = bool(options.get("include_usage")) and not exchange.wishes.no_usage
    always: dict[str, Any] = {"usage": None} if counts else {}
    for index, prompt in enumerate(_prompts(exchange.document)):
        echoed = [str(prompt)] if exchange.document.get("echo") else []
        for piece in [*echoed, *_pieces(answer)]:
            yield data({**head, "choices": [_choice(exchange, index, [piece], None)], **always})
        yield data({**head, "choices": [_choice(exchange, index, [], FINISHES[answer.finish])], **always})
    if counts:
        yield data({**head, "choices": [], "usage": usage(exchange, answer)})
    yield DONE


def _answer(exchange: Exchange) -> Answer:
    return reply(exchange, _read)


def _read(exchange: Exchange) -> Question:
    stop = exchange.document.get("stop") or []
    return Question(stops=[stop] if isinstance(stop, str) else stop, limit=exchange.document.get("max_tokens"))


def _pieces(answer: Answer) -> list[str]:
    return [piece for part in answer.parts for piece in part.pieces]


def _prompts(asked: dict[str, Any]) -> list[object]:
    """One for each choice: each prompt as often as `n` says."""
    prompt = asked["prompt"]
    is_batch = isinstance(prompt, list) and bool(prompt) and not isinstance(prompt[0], int)
    return [one for one in (prompt if is_batch else [prompt]) for _ in range(int(asked.get("n") or 1))]


def _choice(exchange: Exchange, index: int, pieces: list[str], finish: str | None) -> dict[str, Any]:
    odds = _logprobs(pieces) if exchange.document.get("logprobs") is not None and pieces else None
    return {"index": index, "text": "".join(pieces), "logprobs": odds, "finish_reason": finish}


def _logprobs(pieces: list[str]) -> dict[str, Any]:
    offsets = [sum(map(len, pieces[:at])) for at in range(len(pieces))]
    tops = [{piece: LOGPROB} for piece in pieces]
    return {"tokens": pieces, "token_logprobs": [LOGPROB] * len(pieces), "top_logprobs": tops, "text_offset": offsets}


def _head(exchange: Exchange) -> dict[str, object]:
    return {"id": "cmpl-fake", "object": "text_completion", "created": CREATED, "model": exchange.model}


DIALECT = Dialect(
    name="openai completions",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
    events=events,
    is_end=is_done,
    check=check,
    plain={"prompt": "rain"},
)
