"""A YAML file as plain values, with the line of every value, `${...}` resolved, and all errors at once."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
Finding = tuple[KeyPath, str]  # what is wrong with a value, before anybody has looked for its line

_SURROGATE = re.compile("[\ud800-\udfff]")
_REFERENCE = re.compile(r"\$\{(FILE:)?([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file: where, and what."""

    path: KeyPath
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{spell(self.path)}: {self.message}" if self.path else f"{where}{self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` holds every reason."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(slots=True)
class Document:
    """The file's values and the line of each."""

    values: Any = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest value above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def spell(path: KeyPath) -> str:
    """`tenants[0].keys[1].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def read_document(text: str, environment: Mapping[str, str] = os.environ) -> Document:
    """Parses `text` without constructing anything but plain values; duplicate keys and unresolved references are problems."""
    document = Document()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = None if root is None else _Reader(document, environment).read(root, ())
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
    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
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

        def replacement(match: re.Match[str]) -> str:
            from_file, name = match[1], match[2].strip()
            try:
                return Path(name).read_text().strip() if from_file else self._environment[name]
            except KeyError:
                self._report(path, f"the environment has no {name}")
            except OSError as error:
                self._report(path, f"cannot read {name}: {error.strerror}")
            except ValueError:
                self._report(path, f"cannot read {name}: not UTF-8 text")
            return ""

        resolved = _REFERENCE.sub(replacement, value)
        if not resolved.isascii() and _SURROGATE.search(resolved):
            self._report(path, "holds half a surrogate pair, or bytes that are not UTF-8")
        return resolved

    def _report(self, path: KeyPath, message: str, line: int | None = None) -> None:
        self._document.problems.append(Problem(path, message, line or self._document.line_of(path)))
