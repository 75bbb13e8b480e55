"""What the fake model answers to a question: parts in pieces, whatever the dialect."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from fake_provider import schemas, words
from fake_provider.exchange import Exchange
from fake_provider.question import Question, Tool
from fake_provider.wishes import Wishes

DEFAULT_THOUGHTS = 4
PIECE = 6  # characters of JSON that come at a time


@dataclass(frozen=True, slots=True)
class Thought:
    """Redacted ones have a text too: what the seal stands for."""

    pieces: list[str]
    is_redacted: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Speech:
    """Words to the user; a refusal's where `is_refusal`."""

    pieces: list[str]
    is_refusal: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Call:
    """Of a tool; the pieces are its arguments."""

    id: str
    name: str
    pieces: list[str]
    is_custom: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


Part = Thought | Speech | Call


@dataclass(slots=True)
class Answer:
    """`finish` is end, sequence, length, tools, refusal, filter, pause or context."""

    parts: list[Part] = field(default_factory=list)
    finish: str = "end"
    sequence: str | None = None

    @property
    def reasoning_tokens(self) -> int:
        return sum(len(part.pieces) for part in self.parts if isinstance(part, Thought))

    @property
    def output_tokens(self) -> int:
        """Reasoning included. A piece is a token."""
        return sum(len(part.pieces) for part in self.parts)


def reply(exchange: Exchange, read: Callable[[Exchange], Question]) -> Answer:
    """The answer to what `read` finds asked; a lax provider does not look, for it takes what cannot be read."""
    question = Question() if exchange.wishes.lax else read(exchange)
    return compose(question, exchange.wishes, exchange.number)


def compose(question: Question, wishes: Wishes, number: int) -> Answer:
    """The answer to the `number`-th request."""
    answer = Answer()
    answer.parts += _think(question, wishes)
    calls = _call(question, wishes, number)
    if wishes.preamble or not (calls or wishes.refuse):
        answer.parts.append(_speak(question, wishes, answer))
    if wishes.refuse:
        answer.parts.append(Speech(list(words.REFUSAL), is_refusal=True))
        answer.finish = "refusal"
    elif calls:
        answer.parts += calls
        answer.finish = "tools"
    answer.finish = wishes.finish or answer.finish
    return answer


def _think(question: Question, wishes: Wishes) -> list[Part]:
    count = wishes.think or (DEFAULT_THOUGHTS if question.thinks else 0)
    if wishes.no_think or not count:
        return []
    thoughts: list[Part] = [Thought(words.think(count))]
    return [*thoughts, Thought(["secret"], is_redacted=True)] if wishes.redacted else thoughts


def _speak(question: Question, wishes: Wishes, answer: Answer) -> Speech:
    """The words, as far as the question's bounds let them come."""
    pieces = _pieces(question, wishes)
    for stop in question.stops:
        text = "".join(pieces)
        if stop in text:
            answer.finish, answer.sequence = "sequence", stop
            pieces = [text[: text.index(stop)]]
    room = None if question.limit is None else max(0, question.limit - answer.output_tokens)
    if room is not None and len(pieces) > room:
        answer.finish, answer.sequence = "length", None
        pieces = pieces[:room]
    return Speech(pieces)


def _pieces(question: Question, wishes: Wishes) -> list[str]:
    if question.wants_json:
        return chop(orjson.dumps(schemas.example(question.schema) if question.schema else {"rain": "ström"}).decode())
    said = words.say(wishes)
    if not question.seen:
        return said
    return words.spaced(question.seen) + [f" {piece}" if number == 0 else piece for number, piece in enumerate(said)]


def _call(question: Question, wishes: Wishes, number: int) -> list[Part]:
    if not question.tools or question.choice == "none" or question.rounds >= wishes.rounds:
        return []
    is_forced = question.choice != "auto"
    count = wishes.calls or (1 if wishes.call or is_forced else 0)
    tools = _choose(question, wishes)
    return [
        _make(tools[index % len(tools)], f"call_fake{number}x{index}")
        for index in range(count if question.is_parallel else min(count, 1))
    ]


def _choose(question: Question, wishes: Wishes) -> list[Tool]:
    name = wishes.call or question.choice
    return [tool for tool in question.tools if tool.name == name] or question.tools


def _make(tool: Tool, call_id: str) -> Call:
    if tool.is_custom:
        return Call(call_id, tool.name, words.spaced(list(words.WORDS)), is_custom=True)
    arguments = schemas.example(tool.schema) if tool.schema else {}
    return Call(call_id, tool.name, chop(orjson.dumps(arguments).decode()))


def chop(text: str) -> list[str]:
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
