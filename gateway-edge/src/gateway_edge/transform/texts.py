"""The texts in a JSON value: what people read of it, without what only programs do."""

from typing import Any

# Members that name or say what kind something is; and bytes in disguise, which no pattern is meant for.
NO_TEXTS = frozenset(
    {
        "b64_json", "data", "encrypted_content", "finish_reason", "id", "logprobs", "name", "role", "signature",
        "tool_call_id", "type",
    }
)  # fmt: skip
CONTAINERS = frozenset({dict, list})
# The same in answers of any shape: what is said of the call, and what the client itself had said.
NO_TEXTS_ANYWHERE = NO_TEXTS | frozenset({
    "audio", "call_id", "created_at", "instructions", "metadata", "model", "object", "status", "stop_reason", "text_format",
    "item_id", "obfuscation", "partial_image_b64", "tools",
})  # fmt: skip
PROGRAMS = frozenset({"arguments", "input"})  # what tools are called with: OpenAI's, Anthropic's
ARGUMENTS = "arguments"  # of a tool call: a program's, though in words

Key = tuple[str | int, ...]
Leaf = tuple[
    Any, Any, Key
]  # the object or list that holds a text, the text's place there, and its name in the whole value


def find_texts(value: Any, skipped: frozenset[str] = NO_TEXTS) -> list[Leaf]:
    """Every text in `value` that is not empty. An item of a list goes by its own `index` where it has one, as in streams."""
    leaves: list[Leaf] = []
    _collect(value, skipped, (), leaves)
    return leaves


def _collect(value: Any, skipped: frozenset[str], key: Key, leaves: list[Leaf]) -> None:
    if type(value) is dict:
        for name, inner in value.items():
            if inner and name not in skipped:
                if type(inner) is str:
                    leaves.append((value, name, (*key, name)))
                elif type(inner) in CONTAINERS:
                    _collect(inner, skipped, (*key, name), leaves)
    elif type(value) is list:
        for position, inner in enumerate(value):
            if type(inner) is str:
                leaves.append((value, position, (*key, position)))
            elif type(inner) in CONTAINERS:
                _collect(inner, skipped, (*key, _index_of(inner, position)), leaves)


def nest(texts: dict[Key, str]) -> dict[str, Any]:
    """The object in which each text has its key, as `find_texts` names them."""
    root: dict[Any, Any] = {}
    for key, text in texts.items():
        node = root
        for part in key[:-1]:
            node = node.setdefault(part, {})
        node[key[-1]] = text
    return {name: _listed(inner) for name, inner in root.items()}


def _listed(node: Any) -> Any:
    """`node` with a list wherever its keys are positions."""
    if not isinstance(node, dict):
        return node
    if not all(isinstance(part, int) for part in node):
        return {name: _listed(inner) for name, inner in node.items()}
    return [{"index": index, **_listed(inner)} if isinstance(inner, dict) else inner for index, inner in node.items()]


def _index_of(item: Any, position: int) -> int:
    index = item.get("index") if type(item) is dict else None
    return index if type(index) is int else position
