"""A Responses body as a prompt."""

import re
from collections.abc import Mapping

import msgspec

from provider_svc.dialects.dialect import Members
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.openai_responses.item_reader import read_input
from provider_svc.dialects.openai_responses.schema import Body, Format, ReasoningConfig, TextConfig, read
from provider_svc.dialects.openai_responses.tools import read_choice, read_tools
from provider_svc.dialects.prompt import Handling, Json, Prompt, Reasoning, Sampling, Shape, Text
from provider_svc.documents import UNREADABLE

LOGPROBS, SEALS = "message.output_text.logprobs", "reasoning.encrypted_content"

CARRIED = frozenset(Body.__struct_fields__)
OWN = frozenset({"model", "stream"})

# Without these nothing sensible would remain: each asks for a conversation that is kept where we are not.
REFUSED: Mapping[str, str] = {
    "background": "the gateway does not keep responses, so none can run in the background; leave it out, or stream",
    "conversation": "the gateway does not keep conversations; send the whole conversation as input",
    "previous_response_id": "the gateway does not keep responses; send the whole conversation as input",
    "prompt": "a prompt template is OpenAI's own and cannot be looked up for this model; send instructions and input",
}

# Members that label a call, steer how its answer is brought, or what of the prompt is kept for the next one.
HINTS = frozenset({"client_metadata", "prompt_cache_options", "stream_options"})

# Members without a counterpart, and the values (besides null) that ask for what happens anyway.
NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "background": (False,),
    "context_management": ([],),
    "stream_options": ({}, {"include_obfuscation": False}),
    "truncation": ("disabled",),
}

_PATH = re.compile(r"`\$\.?([^`]*)`$")
_body = msgspec.json.Decoder(Body)
_anything = msgspec.json.Decoder()


def read_prompt(members: Members, losses: Losses) -> Prompt:
    """See `ReadPrompt`."""
    # A stream in the background goes on without its client: that is the edge's doing, and a matter of who reads, not of what is asked.
    settled = OWN | {"background"} if _is_true(members.get("stream")) else OWN
    for name, raw in members.items():
        if name not in CARRIED and name not in settled:
            _judge(name, raw, losses)
    body = _read_body(members)
    if body.input is None:
        raise refusal("input", "input is missing: a string, or a list of items")
    system, turns = read_input(body.input, losses)
    if body.instructions is not None:
        system = (Text(text=body.instructions), *system)
    choice, tools = read_choice(body.tool_choice, read_tools(body.tools or [], losses), losses)
    shape, verbosity = _read_text(body.text, losses)
    return Prompt(
        turns=turns,
        system=system,
        tools=tools,
        choice=choice,
        parallel=body.parallel_tool_calls,
        shape=shape,
        reasoning=_read_reasoning(body.reasoning, losses),
        sampling=_read_sampling(body, verbosity, losses),
        handling=_read_handling(body, losses),
    )


def _is_true(raw: msgspec.Raw | None) -> bool:
    return raw is not None and bytes(raw).strip() == b"true"


def _judge(name: str, raw: msgspec.Raw, losses: Losses) -> None:
    """A member that is not carried: neutral, a hint, a loss, or what cannot be left out."""
    try:
        value = _anything.decode(raw)
    except UNREADABLE as exc:
        raise refusal(name, f"{name}: {exc}") from exc
    if value is None or value in NEUTRAL.get(name, ()):
        return
    if name in REFUSED:
        raise refusal(name, f"{name}: {REFUSED[name]}")
    if name in HINTS:
        losses.drop(name)
    else:
        losses.lose(name, "cannot be carried to this model; leave it out")


def _read_body(members: Members) -> Body:
    try:
        return _body.decode(msgspec.json.encode({name: members[name] for name in CARRIED if name in members}))
    except UNREADABLE as exc:
        path = _PATH.search(str(exc))
        raise refusal(path[1] if path else "", str(exc)) from exc


def _read_text(text: Json | None, losses: Losses) -> tuple[Shape | None, str | None]:
    """What a structured answer looks like, and how wordy it is."""
    config = read(text or {}, TextConfig, "text", losses)
    if config.format is None:
        return None, config.verbosity
    said = read(config.format, Format, "text.format", losses)
    match said.type:
        case "text":
            return None, config.verbosity
        case "json_object":
            return Shape(kind="json_object"), config.verbosity
        case "json_schema":
            shape = Shape(
                kind="json_schema",
                name=said.name,
                schema=said.schema,
                description=said.description,
                is_strict=said.strict,
            )
            return shape, config.verbosity
    raise refusal("text.format.type", "text.format.type must be text, json_object or json_schema")


def _read_reasoning(reasoning: Json | None, losses: Losses) -> Reasoning:
    config = read(reasoning or {}, ReasoningConfig, "reasoning", losses)
    summary = config.summary or config.generate_summary
    if config.effort == "none":
        return Reasoning(is_enabled=False, summary=summary)
    return Reasoning(effort=config.effort, summary=summary)


def _read_sampling(body: Body, verbosity: str | None, losses: Losses) -> Sampling:
    include = body.include or []
    for i, name in enumerate(include):
        if name not in {LOGPROBS, SEALS}:  # what comes with OpenAI's own tools and store
            losses.drop(f"include[{i}]")
    wants_logprobs = LOGPROBS in include or bool(body.top_logprobs)
    return Sampling(
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        logprobs=True if wants_logprobs else None,
        top_logprobs=body.top_logprobs if wants_logprobs else None,
        verbosity=verbosity,
    )


def _read_handling(body: Body, losses: Losses) -> Handling:
    """`safety_identifier` is the newer word for `user`."""
    if body.user is not None and body.safety_identifier not in {None, body.user}:
        losses.drop("user")
    return Handling(
        user=body.user if body.safety_identifier is None else body.safety_identifier,
        metadata=body.metadata,
        service_tier=body.service_tier,
        store=body.store,
        prompt_cache_key=body.prompt_cache_key,
        prompt_cache_retention=body.prompt_cache_retention,
    )
