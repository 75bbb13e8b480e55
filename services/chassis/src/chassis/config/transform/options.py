"""What may stand under `transform`: lists of changes, each a mapping of one key.

What each does, and in which order, is told in `docs/transform.md`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from chassis.config.section import Section
from chassis.config.units import Size

Text = Annotated[str, Meta(min_length=1)]


class Assignment(Section, frozen=True, kw_only=True):
    """`value` for what stands at `path`: any value that JSON has."""

    path: str
    value: Any


class Removal(Section, frozen=True, kw_only=True):
    """What stands at `path`."""

    path: str


class Renaming(Section, frozen=True, kw_only=True):
    """What stands at one path, for another."""

    from_: str = field(name="from")
    to: str


class Filling(Section, frozen=True, kw_only=True):
    """A text for what stands at `path`, with what is known of the call in the places of `{tenant}` and its like."""

    path: str
    text: str


class ModelRewrite(Section, frozen=True, kw_only=True):
    """Another model for one that a call names. A `*` ends `from`; in `to` it stands for what that matched."""

    from_: Text = field(name="from")
    to: Text


class SystemPrompt(Section, frozen=True, kw_only=True):
    """A text that stands before the system prompt, or is it."""

    prefix: Text


class PatternRule(Section, frozen=True, kw_only=True):
    """What is not to be read, and what is read in its place. A match has at most `longest` characters."""

    pattern: Text
    with_: str = field(name="with", default="[redacted]")
    longest: Annotated[int, Meta(ge=1, le=4096)] = 256


class RequestRedaction(PatternRule, frozen=True, kw_only=True):
    """`in` is the path of a text, or of what holds texts."""

    in_: str = field(name="in", default="messages")


class ResponseRedaction(PatternRule, frozen=True, kw_only=True):
    """`in` is `text`, which people read, or `all`: the arguments of tool calls, too."""

    in_: Literal["text", "all"] = field(name="in", default="text")


class HeaderChange(Section, frozen=True, kw_only=True):
    """Headers that are there, with a text as `Filling` has it, and headers that are not."""

    set: dict[str, str] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)


class RequestChange(Section, frozen=True, kw_only=True):
    """One change of a request: one of these."""

    set: Assignment | None = None
    default: Assignment | None = None
    rename: Renaming | None = None
    remove: Removal | None = None
    template: Filling | None = None
    model: ModelRewrite | None = None
    system_prompt: SystemPrompt | None = None
    redact: RequestRedaction | None = None
    header: HeaderChange | None = None


class ResponseChange(Section, frozen=True, kw_only=True):
    """One change of an answer: one of these."""

    set: Assignment | None = None
    default: Assignment | None = None
    rename: Renaming | None = None
    remove: Removal | None = None
    redact: ResponseRedaction | None = None
    header: HeaderChange | None = None


class TransformOptions(Section, frozen=True, kw_only=True):
    """The changes in their order. `headers` are those of a request that templates may read; `max_answer` bounds what is decoded
    of an answer at once: a document, or one event of a stream."""

    request: list[RequestChange] = field(default_factory=list)
    response: list[ResponseChange] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    max_answer: Size = Size(1 << 20)


def chosen(change: RequestChange | ResponseChange) -> dict[str, Any]:
    """What a change says, by its kind: one entry where it is right."""
    return {name: given for name in change.__struct_fields__ if (given := getattr(change, name)) is not None}
