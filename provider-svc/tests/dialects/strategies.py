"""Neutral prompts and answers as hypothesis strategies: conversations that could be had, with everything that any dialect has a word for.

`Words` says what a dialect has words for, so that its round trip is tested with what it can carry. `merged` puts neighbours together,
which dialects keep apart or not as they like.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TypeVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from provider_svc.dialects.prompt import (
    Audio,
    CacheMark,
    Choice,
    Document,
    Handling,
    Image,
    Part,
    Prompt,
    Reasoning,
    Sampling,
    Shape,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from provider_svc.dialects.steps import (
    Cite,
    Close,
    Count,
    End,
    Grow,
    OpenCall,
    OpenText,
    OpenThinking,
    Reason,
    Start,
    Step,
    Stop,
)
from runestone.common.v1.usage_pb2 import Usage

T = TypeVar("T")

# For tests that draw whole prompts or answers: how fast a busy machine draws says nothing about what is tested.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

words = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
names = st.text("abcxyz_", min_size=1, max_size=8).map("n{}".format)
ids = st.integers(0, 999_999).map("call_{}".format)
seals = st.binary(min_size=6, max_size=18).map(lambda data: base64.b64encode(data).decode())
urls = names.map("https://example.test/{}".format)
base64s = seals
arguments = st.dictionaries(names, st.integers(0, 9) | words, max_size=3).map(json.dumps)
schemas = st.builds(
    lambda fields: {"type": "object", "properties": {name: {"type": "string"} for name in fields}},
    st.lists(names, max_size=3, unique=True),
)
formats = st.just({"type": "text"}) | st.builds(
    lambda words: {"type": "grammar", "syntax": "lark", "definition": words}, words
)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a dialect can say, and is generated. `efforts` are the words of `Reasoning.effort`."""

    marks: bool = True
    refusals: bool = True
    details: bool = True
    untitled_documents: bool = True
    document_urls: bool = True
    document_texts: bool = True
    audio: bool = True
    thinking: bool = True
    names: bool = True
    custom_tools: bool = True
    errors: bool = True
    result_media: bool = True
    strict: bool = True
    system_turns: bool = True
    json_object: bool = True
    shape_names: bool = True
    efforts: tuple[str, ...] = ("minimal", "low", "medium", "high", "xhigh", "max")
    budgets: bool = True
    summaries: bool = True
    enabled: bool = True
    sampling: tuple[str, ...] = tuple(Sampling.__struct_fields__)
    handling: tuple[str, ...] = tuple(Handling.__struct_fields__)


EVERYTHING = Words()


def maybe(strategy: st.SearchStrategy[T], has: bool = True) -> st.SearchStrategy[T | None]:
    """None, or what is drawn where the dialect has a word for it."""
    return st.none() | strategy if has else st.none()


def flags(has: bool) -> st.SearchStrategy[bool]:
    return st.booleans() if has else st.just(False)


@cache
def marks(has: Words) -> st.SearchStrategy[CacheMark | None]:
    return maybe(st.builds(CacheMark, ttl=st.sampled_from((None, "5m", "1h"))), has.marks)


@cache
def texts(has: Words) -> st.SearchStrategy[Text]:
    return st.builds(Text, text=words, cache=marks(has))


@cache
def refusals(has: Words) -> st.SearchStrategy[Text]:
    return st.builds(Text, text=words, is_refusal=st.just(True), cache=marks(has))


@cache
def images(has: Words) -> st.SearchStrategy[Image]:
    detail = maybe(st.sampled_from(("low", "high", "auto")), has.details)
    inline = st.builds(
        Image,
        media_type=st.sampled_from(("image/png", "image/jpeg", "image/webp")),
        data=base64s,
        detail=detail,
        cache=marks(has),
    )
    return inline | st.builds(Image, url=urls, detail=detail, cache=marks(has))


@cache
def documents(has: Words) -> st.SearchStrategy[Document]:
    title = st.none() | words if has.untitled_documents else words
    inline = st.builds(Document, media_type=st.just("application/pdf"), data=base64s, title=title, cache=marks(has))
    kinds = [inline]
    if has.document_texts:
        text = st.just("text/plain")
        kinds.append(st.builds(Document, media_type=text, text=words, title=title, cache=marks(has)))
    if has.document_urls:
        kinds.append(st.builds(Document, url=urls, title=title, cache=marks(has)))
    return st.one_of(kinds)


@cache
def audios() -> st.SearchStrategy[Audio]:
    return st.builds(Audio, data=base64s, format=st.sampled_from(("wav", "mp3")))


@cache
def thoughts() -> st.SearchStrategy[Thinking]:
    """Sealed by Anthropic or by OpenAI, redacted by Anthropic, or told without proof."""
    anthropic, openai = st.just("anthropic"), st.just("openai")
    return st.one_of(
        st.builds(Thinking, text=words, seal=seals, sealed_by=anthropic),
        st.builds(Thinking, seal=seals, sealed_by=anthropic, is_redacted=st.just(True)),
        st.builds(Thinking, text=st.just("") | words, seal=seals, sealed_by=openai, id=names),
        st.builds(Thinking, text=words),
    )


@cache
def asked_parts(has: Words) -> st.SearchStrategy[tuple[Part, ...]]:
    """What a user may say, results of tools aside."""
    kinds = [texts(has), images(has), documents(has)]
    if has.audio:
        kinds.append(audios())
    return st.lists(st.one_of(kinds), min_size=1, max_size=2).map(tuple)


@st.composite
def answered_parts(draw: st.DrawFn, has: Words, calls: tuple[ToolCall, ...]) -> tuple[Part, ...]:
    """What an assistant may say before its `calls`."""
    thought = draw(st.lists(thoughts(), max_size=2)) if has.thinking else []
    said = draw(st.lists(texts(has) | refusals(has) if has.refusals else texts(has), max_size=2))
    if not said and not calls:
        said = [draw(texts(has))]
    return (*thought, *said, *calls)


@cache
def tool_calls(has: Words) -> st.SearchStrategy[tuple[ToolCall, ...]]:
    """Parallel calls, each with an id of its own."""
    kinds = [st.builds(ToolCall, id=ids, name=names, arguments=arguments, cache=marks(has))]
    if has.custom_tools:
        custom = st.just(True)
        kinds.append(st.builds(ToolCall, id=ids, name=names, arguments=words, is_custom=custom, cache=marks(has)))
    return st.lists(st.one_of(kinds), max_size=3, unique_by=lambda call: call.id).map(tuple)


@st.composite
def tool_results(draw: st.DrawFn, has: Words, call: ToolCall) -> ToolResult:
    kinds = texts(has) | images(has) | documents(has) if has.result_media else texts(has)
    return ToolResult(
        call_id=call.id,
        parts=tuple(draw(st.lists(kinds, max_size=2))),
        is_error=draw(flags(has.errors)),
        is_custom=call.is_custom,
        cache=draw(marks(has)),
    )


@cache
@st.composite
def exchanges(draw: st.DrawFn, has: Words) -> tuple[Turn, ...]:
    """A question, the assistant's answer, and what came of the tools that it called."""
    name = draw(maybe(names, has.names))
    turns = [Turn(role="user", parts=draw(asked_parts(has)), name=name)]
    if draw(st.booleans()):
        calls = draw(tool_calls(has))
        turns.append(Turn(role="assistant", parts=draw(answered_parts(has, calls)), name=name))
        if calls:
            turns.append(Turn(role="user", parts=tuple(draw(tool_results(has, call)) for call in calls)))
    if has.system_turns and draw(st.booleans()):
        turns.append(Turn(role="system", parts=(draw(texts(has)),)))
    return tuple(turns)


@cache
@st.composite
def conversations(draw: st.DrawFn, has: Words) -> tuple[Turn, ...]:
    """Turns whose calls have ids of their own, each result behind its call."""
    parts = draw(st.lists(exchanges(has), min_size=1, max_size=2))
    turns = tuple(turn for exchange in parts for turn in exchange)
    called = [part.id for turn in turns for part in turn.parts if isinstance(part, ToolCall)]
    return turns if len(set(called)) == len(called) else parts[0]


@cache
@st.composite
def tools(draw: st.DrawFn, has: Words) -> Tool:
    common = {"name": draw(names), "description": draw(maybe(words)), "cache": draw(marks(has))}
    if has.custom_tools and draw(st.booleans()):
        return Tool(**common, is_custom=True, format=draw(maybe(formats)))
    return Tool(**common, schema=draw(schemas), is_strict=draw(maybe(st.booleans(), has.strict)))


@st.composite
def choices(draw: st.DrawFn, offered: list[Tool]) -> Choice:
    mode = draw(st.sampled_from(("auto", "none", "required", "tool")))
    if mode != "tool":
        return Choice(mode=mode)
    tool = draw(st.sampled_from(offered))
    return Choice(mode="tool", name=tool.name, is_custom=tool.is_custom)


@cache
def shapes(has: Words) -> st.SearchStrategy[Shape]:
    schema = st.builds(
        Shape,
        kind=st.just("json_schema"),
        name=names if has.shape_names else st.just(""),
        schema=schemas,
        description=maybe(words, has.shape_names),
        is_strict=maybe(st.booleans(), has.shape_names and has.strict),
    )
    return schema | st.builds(Shape, kind=st.just("json_object")) if has.json_object else schema


@cache
def reasonings(has: Words) -> st.SearchStrategy[Reasoning]:
    summary = maybe(st.sampled_from(("auto", "concise", "detailed")), has.summaries)
    enabled = maybe(st.just(True), has.enabled)
    kinds = [
        st.builds(Reasoning, summary=summary),
        st.builds(Reasoning, is_enabled=enabled, effort=st.sampled_from(has.efforts), summary=summary),
        st.just(Reasoning(is_enabled=False)),
    ]
    if has.budgets:
        kinds.append(st.builds(Reasoning, is_enabled=enabled, budget=st.integers(1024, 60_000), summary=summary))
    return st.one_of(kinds)


_numbers = st.sampled_from((0.0, 0.25, 0.5, 1.0))
_SAMPLING: dict[str, st.SearchStrategy[object]] = {
    "max_tokens": st.integers(1, 100_000),
    "temperature": _numbers,
    "top_p": _numbers,
    "top_k": st.integers(1, 100),
    "stop": st.lists(words, max_size=4).map(tuple),
    "frequency_penalty": _numbers,
    "presence_penalty": _numbers,
    "logit_bias": st.dictionaries(st.integers(0, 999).map(str), st.integers(-100, 100), min_size=1, max_size=2),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "seed": st.integers(0, 999),
    "verbosity": st.sampled_from(("low", "medium", "high")),
}
_HANDLING: dict[str, st.SearchStrategy[object]] = {
    "user": words,
    "metadata": st.dictionaries(names, words, min_size=1, max_size=2),
    "service_tier": st.sampled_from(("auto", "default", "flex", "priority")),
    "store": st.booleans(),
    "prompt_cache_key": words,
    "prompt_cache_retention": st.sampled_from(("in_memory", "24h")),
}


def _some(
    kind: Callable[..., T], known: dict[str, st.SearchStrategy[object]], has: tuple[str, ...]
) -> st.SearchStrategy[T]:
    return st.fixed_dictionaries({}, optional={name: known[name] for name in has}).map(lambda said: kind(**said))


@st.composite
def prompts(draw: st.DrawFn, has: Words = EVERYTHING) -> Prompt:
    """A whole prompt that a dialect which has these words can say."""
    offered = draw(st.lists(tools(has), max_size=2, unique_by=lambda tool: tool.name))
    return Prompt(
        turns=draw(conversations(has)),
        system=tuple(draw(st.lists(texts(has), max_size=2))),
        tools=tuple(offered),
        choice=draw(maybe(choices(offered))) if offered else None,
        parallel=draw(maybe(st.booleans())) if offered else None,
        shape=draw(maybe(shapes(has))),
        reasoning=draw(reasonings(has)),
        sampling=draw(_some(Sampling, _SAMPLING, has.sampling)),
        handling=draw(_some(Handling, _HANDLING, has.handling)),
    )


def merged(prompt: Prompt) -> Prompt:
    """The same prompt: neighbours of one role and name as one turn, and no paths."""
    turns = []
    for (role, name), group in groupby(prompt.turns, key=lambda turn: (turn.role, turn.name)):
        parts = tuple(part for turn in group for part in turn.parts)
        turns.append(Turn(role=role, name=name, parts=parts))
    return msgspec.structs.replace(prompt, turns=tuple(turns))


_pieces = st.lists(words, min_size=1, max_size=3)


def _part(opened: Step, pieces: list[str], closed: Step = Close()) -> list[Step]:  # noqa: B008  frozen
    return [opened, *map(Grow, pieces), closed]


@cache
@st.composite
def said_texts(draw: st.DrawFn, cites: bool = True, refusals: bool = True) -> list[Step]:
    steps = _part(OpenText(is_refusal=refusals and draw(st.booleans())), draw(_pieces))
    if cites and not steps[0].is_refusal:
        steps[-1:-1] = draw(st.lists(st.builds(Cite, url=urls, title=words), max_size=2))
    return steps


@cache
@st.composite
def said_thoughts(draw: st.DrawFn) -> list[Step]:
    thought = draw(thoughts())
    opened = OpenThinking(thought.id, thought.is_redacted)
    return _part(opened, [thought.text] if thought.text else [], Close(thought.seal, thought.sealed_by))


@st.composite
def said_calls(draw: st.DrawFn, number: int, custom: bool = True) -> list[Step]:
    is_custom = custom and draw(st.booleans())
    given = draw(words if is_custom else arguments)
    cut = draw(st.integers(0, len(given)))
    pieces = [piece for piece in (given[:cut], given[cut:]) if piece]
    return _part(OpenCall(f"call_{number}", draw(names), is_custom), pieces)


usages = st.builds(
    lambda cached, rest, output, reasoned: Usage(
        input_tokens=cached + rest,
        output_tokens=output + reasoned,
        cache_read_input_tokens=cached,
        reasoning_output_tokens=reasoned,
    ),
    *[st.integers(0, 9_999)] * 4,
)


@st.composite
def answers(
    draw: st.DrawFn,
    *,
    thinking: bool = True,
    cites: bool = True,
    refusals: bool = True,
    custom: bool = True,
    reasons: tuple[Reason, ...] = ("end", "length", "filter"),
) -> list[Step]:
    """The steps of a whole answer: thoughts, then texts, then calls. Only one that calls tools stops for them."""
    steps: list[Step] = [Start(draw(ids), draw(names), draw(st.integers(1, 2_000_000_000)))]
    if thinking:
        for part in draw(st.lists(said_thoughts(), max_size=2)):
            steps += part
    for part in draw(st.lists(said_texts(cites, refusals), max_size=2)):
        steps += part
    calls = draw(st.integers(0, 3))
    for number in range(calls):
        steps += draw(said_calls(number, custom))
    reason: Reason = "tools" if calls else draw(st.sampled_from(reasons))
    return [*steps, Count(draw(usages)), Stop(reason), End()]
