"""Conditions of rules, in CEL (https://github.com/cel-expr/cel-spec), compiled once.

Expressions always end, and their regular expressions take linear time. The library is loaded with the first expression: where no
model has rules, nobody pays for it.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import cel

# The functions of CEL that the library has; of others it would complain only where it comes to them.
FUNCTIONS = frozenset({
    "bytes", "contains", "double", "duration", "dyn", "endsWith", "int", "matches", "size", "startsWith", "string", "timestamp",
    "type", "uint",
})  # fmt: skip

_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_WORD = re.compile(r"[A-Za-z]\w*")
_COMPLAINT = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")
_BAD_PATTERN = "not a valid regex"


class ExpressionError(ValueError):
    """An expression that cannot be read, or cannot be computed. Its message says why, in one line."""


class Scene:
    """One call as expressions see it: `look_up` is asked for a variable once, when the first expression names it."""

    def __init__(self, look_up: Callable[[str], object]) -> None:
        self._look_up = look_up
        self._supplied: set[str] = set()
        self._context: cel.Context | None = None

    def supply(self, names: Collection[str]) -> "cel.Context":
        """The variables `names`, and those that were supplied before."""
        if self._context is None:
            import cel  # noqa: PLC0415  see above

            self._context = cel.Context()
        for name in names:
            if name not in self._supplied:
                self._context.add_variable(name, self._look_up(name))
                self._supplied.add(name)
        return self._context


class Expression:
    """A compiled expression over the variables `names`. Raises ExpressionError for a text that is none, and for one that names what is
    not among `known`, a variable or a function."""

    def __init__(self, text: str, known: Collection[str]) -> None:
        import cel  # noqa: PLC0415  see above

        self.text = text
        try:
            self._program = cel.compile(text)
        except ValueError as error:
            raise ExpressionError(_read_complaint(str(error))) from error
        named = self._program.variables()
        self.names = tuple(name for name in named if name in known)
        _refuse_unknown(named, {*known, *_BOUND.findall(text)}, "variable", known)
        called = [name for name in self._program.functions() if _WORD.fullmatch(name)]
        _refuse_unknown(called, FUNCTIONS, "function", FUNCTIONS)

    def holds(self, scene: Scene) -> bool:
        """Whether it is true. Raises ExpressionError where it cannot be computed, or is something else than true or false."""
        try:
            value = self._program.execute(scene.supply(self.names))
        except Exception as error:  # the library raises what Python would: a dozen types
            raise ExpressionError(f"{type(error).__name__}: {error}") from error
        if not isinstance(value, bool):
            raise ExpressionError(f"is neither true nor false, but {type(value).__name__}")
        return value

    def judge(self, sample: Mapping[str, object]) -> None:
        """Tries it with a `sample` of every variable. Raises ExpressionError for what no call could make true or false; what an
        empty request merely has not got is no fault."""
        scene = Scene(sample.__getitem__)
        try:
            self.holds(scene)
        except ExpressionError as error:
            cause = error.__cause__
            if cause is None or isinstance(cause, TypeError) or _BAD_PATTERN in str(cause):
                raise

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def _refuse_unknown(named: Collection[str], allowed: Collection[str], kind: str, known: Collection[str]) -> None:
    unknown = next((name for name in named if name not in allowed), None)
    if unknown is not None:
        raise ExpressionError(f"there is no {kind} {unknown!r}; known here: {', '.join(sorted(known))}")


def _read_complaint(message: str) -> str:
    """The first of a compiler's complaints."""
    found = _COMPLAINT.search(message)
    if found is None:
        return "cannot be read as CEL"
    line, column, complaint = found.groups()
    return f"line {line}, column {column}: {complaint}"
