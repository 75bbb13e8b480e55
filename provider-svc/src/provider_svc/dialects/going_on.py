"""The question that has a model go on with what another one said. Pure."""

from msgspec.structs import replace

from provider_svc.dialects.prompt import Prompt, Reasoning, Sampling, Text, Turn

# Every API takes a user's turn at the end; an assistant's there, as a beginning of the answer, many refuse.
GO_ON = "Continue exactly where you stopped; do not repeat anything."

LEAST_TOKENS = 16  # that are left to go on with: OpenAI's Responses take no smaller bound


def can_go_on(prompt: Prompt) -> bool:
    """Whether another model could go on in the middle of the answer. What has to be JSON, or is kept by its provider under its id, would be
    neither."""
    return prompt.shape is None and not prompt.handling.store


def go_on(prompt: Prompt, words: str, spent: int) -> Prompt:
    """The client's question, and what is to be done behind `words`, on which `spent` tokens went. Where no word was said it is asked as it
    was: Anthropic takes no turn that is blank."""
    if not words.strip():
        return prompt
    return replace(
        prompt,
        turns=(*_say(prompt.turns, words), Turn(role="user", parts=(Text(text=GO_ON),), path="continuation")),
        reasoning=_think_less(prompt.reasoning),
        sampling=_spend(prompt.sampling, spent),
    )


def _say(turns: tuple[Turn, ...], words: str) -> tuple[Turn, ...]:
    """The turns with the assistant's words behind them. A client may have begun the answer itself: then it is one turn with that."""
    said = Text(text=words)
    if turns and turns[-1].role == "assistant":
        return (*turns[:-1], replace(turns[-1], parts=(*turns[-1].parts, said)))
    return (*turns, Turn(role="assistant", parts=(said,), path="continuation"))


def _think_less(reasoning: Reasoning) -> Reasoning:
    """No more thinking than by the effort that was asked for: nobody would be shown it, and what is left of a bound may hold no budget."""
    return Reasoning(is_enabled=False if reasoning.is_enabled is False else None, effort=reasoning.effort)


def _spend(sampling: Sampling, spent: int) -> Sampling:
    if sampling.max_tokens is None:
        return sampling
    return replace(sampling, max_tokens=max(min(LEAST_TOKENS, sampling.max_tokens), sampling.max_tokens - spent))
