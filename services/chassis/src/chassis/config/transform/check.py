"""What types cannot say of a transform: paths, patterns, templates and headers that could not work."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from chassis.config.document import Finding, KeyPath
from chassis.config.transform.names import (
    CREDENTIALS,
    FRAMING,
    READ_ALREADY,
    SAID_LAST,
    check_header_name,
    check_header_text,
)
from chassis.config.transform.options import (
    Assignment,
    Filling,
    HeaderChange,
    ModelRewrite,
    PatternRule,
    Removal,
    Renaming,
    RequestRedaction,
    TransformOptions,
    chosen,
)
from chassis.config.transform.paths import Each, Path, parse_path
from chassis.config.transform.patterns import check_pattern, compile_pattern, is_usable, join_patterns
from chassis.config.transform.templates import parse_template

NOT_IN_REQUESTS = CREDENTIALS | FRAMING | READ_ALREADY
NOT_IN_ANSWERS = FRAMING | SAID_LAST

Member = tuple[KeyPath, Callable[[], object]]  # where something stands, and what raises ValueError when it is wrong


def check_transform(options: TransformOptions, path: KeyPath) -> Iterator[Finding]:
    """Everything in `options` that could not work."""
    readable = frozenset(name.lower() for name in options.headers)
    for index, name in enumerate(options.headers):
        yield from _find((("headers", index), partial(check_header_name, name, CREDENTIALS)), path)
    for index, asked in enumerate(options.request):
        yield from _check_change(chosen(asked), "request", readable, (*path, "request", index))
    for index, answered in enumerate(options.response):
        yield from _check_change(chosen(answered), "response", readable, (*path, "response", index))
    yield from _find((("response",), partial(_check_together, options)), path)


def _check_change(given: Mapping[str, Any], side: str, readable: frozenset[str], path: KeyPath) -> Iterator[Finding]:
    if len(given) != 1:
        yield path, f"must be one change; found {', '.join(given) or 'none'}"
        return
    ((kind, said),) = given.items()
    for member in _members(said, side, readable):
        yield from _find(member, (*path, kind))


def _find(member: Member, path: KeyPath) -> Iterator[Finding]:
    place, check = member
    try:
        check()
    except ValueError as error:
        yield (*path, *place), str(error)


def _members(said: object, side: str, readable: frozenset[str]) -> Iterator[Member]:
    """What is to be checked of a change, by its kind."""
    match said:
        case Assignment() | Removal():
            yield ("path",), partial(_check_path, said.path, side)
        case Filling():
            yield ("path",), partial(_check_path, said.path, side)
            yield ("text",), partial(parse_template, said.text, readable)
        case Renaming():
            yield ("from",), partial(_check_path, said.from_, side)
            yield ("to",), partial(_check_target, said, side)
        case ModelRewrite():
            yield ("from",), partial(_check_model, said)
        case PatternRule():
            yield ("pattern",), partial(check_pattern, said.pattern, said.longest)
            yield ("with",), partial(_check_replacement, said)
            if isinstance(said, RequestRedaction):
                yield ("in",), partial(parse_path, said.in_)
        case HeaderChange():
            yield from _header_members(said, NOT_IN_REQUESTS if side == "request" else NOT_IN_ANSWERS, readable)


def _header_members(said: HeaderChange, untouchable: frozenset[str], readable: frozenset[str]) -> Iterator[Member]:
    for name, text in said.set.items():
        yield ("set", name), partial(check_header_name, name, untouchable)
        yield ("set", name), partial(check_header_text, text)
        yield ("set", name), partial(parse_template, text, readable)
    for index, name in enumerate(said.remove):
        yield ("remove", index), partial(check_header_name, name, untouchable)


def _check_together(options: TransformOptions) -> None:
    """All patterns of an answer are looked for at once; what is wrong with one of them is said where it stands."""
    rules = [change.redact for change in options.response if change.redact]
    if rules and all(is_usable(rule.pattern, rule.longest) for rule in rules):
        join_patterns([rule.pattern for rule in rules])


def _check_path(text: str, side: str) -> Path:
    path = parse_path(text)
    if side == "request" and path[0] == "stream":
        raise ValueError("`stream` is how the client reads the answer; it stays")
    is_member = isinstance(path[0], str)
    if not is_member:
        raise ValueError("a document is an object: a path begins with the name of a member")
    return path


def _check_target(said: Renaming, side: str) -> None:
    target, origin = _check_path(said.to, side), parse_path(said.from_)
    are_members = isinstance(target[-1], str) and isinstance(origin[-1], str)
    if not are_members:
        raise ValueError("what is renamed is a member: both paths end in a name")
    if Each.ITEM in (*target, *origin) and target[:-1] != origin[:-1]:
        raise ValueError("with `[*]`, both paths lead to the same object")


def _check_model(said: ModelRewrite) -> None:
    if "*" in said.from_[:-1]:
        raise ValueError("`*` may stand at the end only")
    if "*" in said.to and not said.from_.endswith("*"):
        raise ValueError("`*` in `to` stands for nothing: `from` has none")


def _check_replacement(said: PatternRule) -> None:
    """The replacement may stand inside a string of JSON, and is not replaced when it is read again."""
    if any(character in '"\\' or character < " " for character in said.with_):
        raise ValueError(
            "holds a quote, a backslash or a control character, which would break the arguments of tool calls"
        )
    if not said.with_:
        raise ValueError("is empty: what stood on both sides could then be what was not to be read")
    if is_usable(said.pattern, said.longest) and any(compile_pattern(said.pattern).finditer(said.with_.encode())):
        raise ValueError("is itself what the pattern finds")
