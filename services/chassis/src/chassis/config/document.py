"""A YAML file as plain values, with the line of every value, `${...}` resolved, and all errors at once."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import yaml

KeyPath = tuple[str | int, ...]
Finding = tuple[KeyPath, str]  # what is wrong with a value, before anybody has looked for its line
IsNeeded = Callable[[KeyPath], bool]

_SURROGATE = re.compile("[\ud800-\udfff]")
_REFERENCE = re.compile(r"\$\{(FILE:)?([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file: where, and what. `file` is named where it is not the configuration file itself."""

    path: KeyPath
    message: str
    line: int | None = None
    file: str = ""

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{spell(self.path)}: {self.message}" if self.path else f"{where}{self.message}"

    def tell(self, file: object) -> str:
        """The same behind the name of its file: `file`, unless it is another."""
        return f"{self.file or file}: {self}"


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` holds every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(
            "\n".join(problem.tell(problem.file) if problem.file else str(problem) for problem in problems)
        )
        self.problems = problems


@dataclass(slots=True)
class Document:
    """The file's values and the line of each. `origins` says which values stand in another file, and at which path there;
    `files` are all that were read for it, or would have been; `references` are the values with `${...}` in them, as they are
    written; `unresolved` are those that could not be resolved, and need not be."""

    values: Any = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    origins: dict[KeyPath, tuple["Source", KeyPath]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    references: dict[KeyPath, str] = field(default_factory=dict)
    unresolved: set[KeyPath] = field(default_factory=set)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest value above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """What is wrong with the value at `path`, told in the terms of the file that it stands in."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.origins:
                source, there = self.origins[path[:depth]]
                return source.problem((*there, *path[depth:]), message)
        return Problem(path, message, self.line_of(path))


@dataclass(frozen=True)
class Source:
    """Another file, and the text in it. Its lines are looked for only where something is wrong with it."""

    file: str
    text: str

    def problem(self, path: KeyPath, message: str) -> Problem:
        """What is wrong with the value at `path` of this file."""
        return Problem(path, message, self._document.line_of(path), self.file)

    def read(self) -> tuple[Any, list[Problem]]:
        """Its plain values, and why it is no YAML or none that can be used. JSON, which is YAML too, is read at C's speed."""
        try:
            return msgspec.json.decode(self.text), []
        except msgspec.DecodeError:
            return self._document.values, [replace(problem, file=self.file) for problem in self._document.problems]

    @cached_property
    def _document(self) -> Document:
        return read_document(self.text, None)


def spell(path: KeyPath) -> str:
    """`tenants[0].keys[1].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def all_needed(_path: KeyPath) -> bool:
    """Every value has to be there."""
    return True


def read_document(
    text: str, environment: Mapping[str, str] | None = os.environ, is_needed: IsNeeded = all_needed
) -> Document:
    """Parses `text` without constructing anything but plain values; duplicate keys are problems, and so are unresolved references in
    values that are needed. Without an environment a reference is text like any other, but listed."""
    document = Document()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = None if root is None else _Reader(document, environment, is_needed).read(root, ())
        document.values = {} if values is None else values
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        document.problems.append(Problem((), f"not YAML: {error.problem}", line))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.append(Problem((), f"not YAML: {error.reason}", line))
    except RecursionError:
        document.problems.append(Problem((), "nested too deeply, or contains itself"))
    return document


class _Reader:
    def __init__(self, document: Document, environment: Mapping[str, str] | None, is_needed: IsNeeded) -> None:
        self._document = document
        self._environment = environment
        self._is_needed = is_needed
        self._scalars = yaml.constructor.SafeConstructor()

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self._document.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return dict(self._read_members(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._read_scalar(node, path)

    def _read_scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        kind = node.tag.rpartition(":")[2]
        try:
            value = self._scalars.construct_object(node)
        except yaml.constructor.ConstructorError as error:
            return self._report(path, error.problem or "not YAML")
        except (ValueError, LookupError, AttributeError):  # what PyYAML lets through, by type: `2026-99-99`, `!!bool x`
            return self._report(path, f"looks like a {kind} but is none; quote it if it is text")
        return self._resolve(value, path) if isinstance(value, str) else value

    def _read_members(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in seen:
                self._report((*path, key), "stands twice", key_node.start_mark.line + 1)
            seen.add(key)
            yield key, self.read(value_node, (*path, key))

    def _resolve(self, value: str, path: KeyPath) -> str:
        """Replaces `${NAME}` by the environment's value and `${FILE:/path}` by the file's text, stripped."""
        environment = self._environment

        def replacement(match: re.Match[str]) -> str:
            if environment is None:
                return match[0]
            from_file, name = match[1], match[2].strip()
            if from_file:
                self._document.files.append(Path(name))
            try:
                return Path(name).read_text().strip() if from_file else environment[name]
            except KeyError:
                problem = f"the environment has no {name}"
            except OSError as error:
                problem = f"cannot read {name}: {error.strerror}"
            except ValueError:
                problem = f"cannot read {name}: not UTF-8 text"
            return self._stand_in(match[0], path, problem)

        resolved, found = _REFERENCE.subn(replacement, value)
        if found:
            self._document.references[path] = value
        if not resolved.isascii() and _SURROGATE.search(resolved):
            self._report(path, "holds half a surrogate pair, or bytes that are not UTF-8")
        return resolved

    def _stand_in(self, reference: str, path: KeyPath, problem: str) -> str:
        """What a reference that cannot be resolved becomes. Where nobody needs it, 64 hex digits: a key of the right size, a password
        that an address may hold, the same for the same reference and no other."""
        if self._is_needed(path):
            self._report(path, problem)
            return ""
        self._document.unresolved.add(path)
        return hashlib.sha256(reference.encode()).hexdigest()

    def _report(self, path: KeyPath, message: str, line: int | None = None) -> None:
        self._document.problems.append(Problem(path, message, line or self._document.line_of(path)))
