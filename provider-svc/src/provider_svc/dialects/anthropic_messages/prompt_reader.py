"""A Messages body as a prompt."""

from collections.abc import Mapping

from provider_svc.dialects.anthropic_messages.block_reader import read_content
from provider_svc.dialects.anthropic_messages.members import read_request
from provider_svc.dialects.anthropic_messages.schema import ContextManagement, Format, Message, OutputConfig, Request
from provider_svc.dialects.anthropic_messages.tool_reader import read_choice, read_parallel, read_tools
from provider_svc.dialects.dialect import Members
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import Handling, Prompt, Reasoning, Role, Sampling, Shape, Text, Turn

ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})

# What Anthropic's price classes are called elsewhere.
TIERS: Mapping[str, str] = {"auto": "auto", "standard_only": "default"}

# Whether earlier thinking stays in the prompt is of no matter to those who never see it.
HARMLESS_EDIT = "clear_thinking"


def read_prompt(members: Members, losses: Losses) -> Prompt:
    """See `ReadPrompt`."""
    request = read_request(members, losses)
    tools = read_tools(request.tools or (), losses)
    _leave_out_edits(request.context_management, losses)
    return Prompt(
        turns=_turns(request, losses),
        system=_system(request, losses),
        tools=tools,
        choice=read_choice(request.tool_choice, tools, losses),
        parallel=read_parallel(request.tool_choice),
        shape=_shape(request),
        reasoning=_reasoning(request, losses),
        sampling=_sampling(request),
        handling=_handling(request, losses),
    )


def _system(request: Request, losses: Losses) -> tuple[Text, ...]:
    parts = read_content(request.system or (), "system", "system", losses)
    return tuple(part for part in parts if isinstance(part, Text))


def _turns(request: Request, losses: Losses) -> tuple[Turn, ...]:
    """Turns of which nothing is left are left out."""
    if not request.messages:
        raise refusal("messages", "there must be at least one message")
    read = (_turn(message, f"messages[{i}]", losses) for i, message in enumerate(request.messages))
    turns = tuple(turn for turn in read if turn.parts)
    if not turns:
        raise refusal("messages", "nothing is left of the messages that could be translated")
    if turns[-1].role == "assistant":
        losses.lose(turns[-1].path, "only Anthropic goes on with a last turn of the assistant; others answer it")
    return turns


def _turn(message: Message, path: str, losses: Losses) -> Turn:
    role = ROLES.get(message.role)
    if role is None:
        raise refusal(f"{path}.role", "a role is user, assistant or system")
    return Turn(role=role, parts=tuple(read_content(message.content, role, f"{path}.content", losses)), path=path)


def _leave_out_edits(management: ContextManagement | None, losses: Losses) -> None:
    for i, edit in enumerate((management and management.edits) or ()):
        path = f"context_management.edits[{i}]"
        if edit.type.startswith(HARMLESS_EDIT):
            losses.drop(path)
        else:
            losses.lose(path, "only Anthropic shortens a conversation by itself; leave it out")


def _shape(request: Request) -> Shape | None:
    asked: Format | None = (request.output_config and request.output_config.format) or request.output_format
    if asked is None:
        return None
    path = "output_config.format"
    if asked.type != "json_schema":
        raise refusal(f"{path}.type", "the format of an answer is json_schema")
    if asked.schema is None:
        raise refusal(f"{path}.schema", "a json_schema format needs its schema")
    return Shape(kind="json_schema", schema=asked.schema, is_strict=True)


def _reasoning(request: Request, losses: Losses) -> Reasoning:
    """Whoever lets a model think here is shown its thoughts, unless they say otherwise."""
    effort = _effort(request.output_config, losses)
    config = request.thinking
    if config is None:
        return Reasoning(effort=effort)
    if config.type == "disabled":
        return Reasoning(is_enabled=False, effort=effort)
    summary = None if config.display == "omitted" else "auto"
    if config.type == "enabled":
        if config.budget_tokens is None:
            raise refusal("thinking.budget_tokens", "thinking that is enabled needs its budget_tokens")
        return Reasoning(is_enabled=True, effort=effort, budget=config.budget_tokens, summary=summary)
    if config.type != "adaptive":
        losses.lose("thinking.type", "only Anthropic has this type of thinking; it is enabled, adaptive or disabled")
    return Reasoning(is_enabled=True, effort=effort, summary=summary)


def _effort(config: OutputConfig | None, losses: Losses) -> str | None:
    if config is None:
        return None
    if config.task_budget is not None:
        losses.lose("output_config.task_budget", "only Anthropic's models are told of a budget; leave it out")
    if config.effort is not None and config.effort not in EFFORTS:
        raise refusal("output_config.effort", f"an effort is one of {', '.join(sorted(EFFORTS))}")
    return config.effort


def _sampling(request: Request) -> Sampling:
    if request.max_tokens is not None and request.max_tokens < 1:
        raise refusal(
            "max_tokens", "max_tokens must be at least 1: only Anthropic's prompt cache is filled without an answer"
        )
    return Sampling(
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        top_k=request.top_k,
        stop=tuple(request.stop_sequences or ()),
    )


def _handling(request: Request, losses: Losses) -> Handling:
    user = None
    for name, value in (request.metadata or {}).items():
        if name == "user_id" and isinstance(value, str | None):
            user = value
        else:
            losses.drop(f"metadata.{name}")
    tier = request.service_tier
    if tier is not None and tier not in TIERS:
        losses.drop("service_tier")
    return Handling(user=user, service_tier=TIERS.get(tier or ""))
