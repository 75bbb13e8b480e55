"""A prompt's turns as Anthropic's: one system prompt beside turns of user and assistant."""

from collections.abc import Mapping

from provider_svc.dialects.anthropic_messages.block_writer import BlockWriter
from provider_svc.dialects.losses import Losses, refusal
from provider_svc.dialects.prompt import (
    Audio,
    Document,
    Image,
    Json,
    Part,
    Prompt,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)

# What each side can say to Anthropic.
SAYS: Mapping[str, tuple[type[Part], ...]] = {
    "system": (Text,),
    "user": (Text, Image, Document, Audio, ToolResult),
    "assistant": (Text, Thinking, ToolCall),
}


class Conversation:
    """`system` and `messages` of a body. Neighbours of one role become one turn; system turns, wherever they stand, go to the system
    prompt in their order."""

    def __init__(self, writer: BlockWriter, losses: Losses) -> None:
        self.system: list[Json] = []
        self.turns: list[Json] = []
        self._writer = writer
        self._losses = losses

    def write(self, prompt: Prompt) -> Json:
        """The members. Raises INVALID_REQUEST where nothing is said to Anthropic."""
        for i, text in enumerate(prompt.system):
            self._instruct([text], f"system[{i}]")
        for turn in prompt.turns:
            self._add(turn)
        if not self.turns:
            raise refusal("messages", "Anthropic needs at least one message besides system ones")
        for said in self.turns:
            _put_results_first(said)
        return {"system": self.system, "messages": self.turns} if self.system else {"messages": self.turns}

    def _add(self, turn: Turn) -> None:
        if turn.name is not None:
            why = "Anthropic's messages cannot name a speaker; say it in the text"
            self._losses.lose(f"{turn.path}.name", why)
        if turn.role == "system":
            self._instruct(turn.parts, turn.path)
        else:
            self._say(turn)

    def _instruct(self, parts: "tuple[Part, ...] | list[Text]", path: str) -> None:
        self.system += self._blocks("system", parts, path)

    def _say(self, turn: Turn) -> None:
        """Adds to the last turn when it is the same side's, else begins one. A turn whose words are all empty is lost, as Anthropic
        takes none; one that was thoughts only was told of."""
        blocks = self._blocks(turn.role, turn.parts, turn.path)
        if not blocks:
            if all(isinstance(part, Text) for part in turn.parts):
                self._losses.lose(f"{turn.path}.content", "Anthropic takes no empty message")
        elif self.turns and self.turns[-1]["role"] == turn.role:
            self.turns[-1]["content"].extend(blocks)
        else:
            self.turns.append({"role": turn.role, "content": blocks})

    def _blocks(self, role: str, parts: "tuple[Part, ...] | list[Text]", path: str) -> list[Json]:
        blocks = []
        for part in parts:
            if not isinstance(part, SAYS[role]):
                kind = type(part).__name__.lower()
                self._losses.lose(path, f"Anthropic takes no {kind} in a {role} message")
            elif (block := self._writer.write(part, path)) is not None:
                blocks.append(block)
        return blocks


def _put_results_first(turn: Json) -> None:
    """Anthropic wants the results of calls before anything else that is said with them."""
    content = turn["content"]
    if turn["role"] == "user" and any(block["type"] == "tool_result" for block in content):
        content.sort(key=lambda block: block["type"] != "tool_result")
