r"""What a request asks of a model, in the words of a target's `lacks`. Pure, and by scans of bytes: a body with ten pictures is not
decoded for a yes or no.

In JSON a quotation mark inside a string is escaped, so that `"type": "image"` can stand in the bytes only where an object has that very
member: text that merely speaks of it never counts. It errs where such a member means something else, as in the arguments of a tool's call
or in an example of a schema, and where a client spells a word with escapes (`"im\u0061ge"`).
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from chassis.config.models import Feature

Members: TypeAlias = Mapping[str, bytes | msgspec.Raw]

# The parts of a conversation, by what each dialect calls them.
PARTS: Mapping[bytes, Feature] = {
    b"image_url": "vision",
    b"input_image": "vision",
    b"image": "vision",
    b"computer_screenshot": "vision",
    b"input_audio": "audio",
    b"file": "documents",
    b"input_file": "documents",
    b"document": "documents",
}
CONVERSATIONS = ("messages", "input", "system", "prompt")

_PART = re.compile(rb'"type"\s*:\s*"(%b)"' % b"|".join(PARTS))
_CHAT_FILE = re.compile(rb'"file"\s*:\s*\{')
_NOTHING = re.compile(rb"\s*(?:null|\[\s*\]|\{\s*\}|\"\"|\"none\")\s*")
_AUDIO = re.compile(rb'"audio"')
_SCHEMA = re.compile(rb'"type"\s*:\s*"json_schema"')
_EFFORT = re.compile(rb'"effort"\s*:\s*"')
_NO_EFFORT = re.compile(rb'"effort"\s*:\s*"none"')
_THINKS = re.compile(rb'"type"\s*:\s*"(?!disabled")')


def _says_something(raw: bytes) -> bool:
    return _NOTHING.fullmatch(raw) is None


# Members outside the conversation: which feature each asks for, and when.
ASKING: tuple[tuple[str, Feature, Callable[[bytes], object]], ...] = (
    ("tools", "tools", _says_something),
    ("functions", "tools", _says_something),
    ("audio", "audio", _says_something),
    ("modalities", "audio", _AUDIO.search),
    ("response_format", "structured", _SCHEMA.search),
    ("text", "structured", _SCHEMA.search),
    ("output_format", "structured", _SCHEMA.search),
    ("output_config", "structured", _SCHEMA.search),
    ("output_config", "thinking", _EFFORT.search),
    ("reasoning_effort", "thinking", _says_something),
    ("reasoning", "thinking", lambda raw: _says_something(raw) and not _NO_EFFORT.search(raw)),
    ("thinking", "thinking", _THINKS.search),
)


def list_features(members: Members) -> frozenset[Feature]:
    """The features that a request asks for. `members` are those of its body, each as its JSON text, in whichever dialect."""
    found = {feature for name, feature, asks in ASKING if (raw := members.get(name)) is not None and asks(raw)}
    for name in CONVERSATIONS:
        if (raw := members.get(name)) is not None:
            found |= _list_parts(raw)
    return frozenset(found)


def _list_parts(conversation: bytes) -> set[Feature]:
    """A `file` is a part of Chat Completions only beside its member `file`: in Messages it is where any part may come from."""
    kinds = set(_PART.findall(conversation))
    if b"file" in kinds and not _CHAT_FILE.search(conversation):
        kinds.remove(b"file")
    return {PARTS[kind] for kind in kinds}
