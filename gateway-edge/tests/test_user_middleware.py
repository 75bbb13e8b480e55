"""Middleware of users' own: found, checked at start where it stands in the file, and made with its options."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.config import ConfigError, parse_settings
from chassis.config import plugins as plugins_module
from chassis.config.plugins import PluginError
from chassis.metrics import Metrics
from gateway_edge.call import Call
from gateway_edge.containment.plugins import Plugins

SOURCE = """
import msgspec
from chassis.config.units import Duration

class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: str = "hello"
    most: int = 3
    patience: Duration = Duration(1)

    def __post_init__(self):
        if self.word == "forbidden":
            raise ValueError("`word` may not be `forbidden`")

class Stamp:
    async def __call__(self, call, proceed):
        call.reply.headers["x-stamp"] = "seen"
        await proceed(call)

class Greet:
    name = "greeting"
    on_error = "skip"
    Options = Options

    def __init__(self, options):
        self.options = options

    async def __call__(self, call, proceed):
        call.reply.headers["x-greeting"] = f"{self.options.word} {self.options.patience}"
        await proceed(call)

class Broken(Stamp):
    async def __call__(self, call, proceed):
        raise ZeroDivisionError("broken")

class Unmade(Stamp):
    def __init__(self):
        raise OSError("no such file")

class Plain:
    def __call__(self, call, proceed): ...

class BadPolicy(Stamp):
    on_error = "ignore"

class BadName(Stamp):
    name = "two words"

class BadOptions(Stamp):
    Options = dict

async def function(call, proceed): ...
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a user's own, on the path; its name."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    (tmp_path / "leaves.py").write_text("raise SystemExit('usage: leaves FILE')")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def problems_of(step: str) -> list[str]:
    """What `runestone config check` says of a default pipeline with `step` on line 5."""
    text = f"pipelines:\n  default:\n    - authenticate\n    - validate\n    - {step}\n"
    try:
        parse_settings(text, environment={})
    except ConfigError as error:
        return list(map(str, error.problems))
    return []


@pytest.mark.parametrize(
    "step",
    [
        "MINE:Stamp",
        "{'MINE:Stamp': {}}",
        "{'MINE:Stamp': }",
        "{'MINE:Stamp': {on_error: skip}}",
        "{'MINE:Greet': {word: servus, most: 5, patience: 500ms, on_error: fail}}",
    ],
)
def test_what_works_is_accepted(mine: str, step: str) -> None:
    assert problems_of(step.replace("MINE", mine)) == []


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{'MINE:Stamp': {word: x}}", "[2].MINE:Stamp.word: unknown key; known here: none"),
        ("{'MINE:Greet': {wrod: x}}", "[2].MINE:Greet.wrod: unknown key; known here: word, most, patience"),
        ("{'MINE:Greet': {most: many}}", "[2].MINE:Greet.most: Expected `int`, got `str`"),
        ("{'MINE:Greet': {patience: long}}", "[2].MINE:Greet.patience: Expected a duration such as 500ms"),
        ("{'MINE:Greet': {word: forbidden}}", "[2].MINE:Greet: `word` may not be `forbidden`"),
        ("{'MINE:Greet': {on_error: ignore}}", "[2].MINE:Greet.on_error: must be `fail` or `skip`"),
        ("{'MINE:Greet': {on_error: []}}", "[2].MINE:Greet.on_error: must be `fail` or `skip`"),
        ("'nowhere_at_all:Stamp'", "[2]: cannot import 'nowhere_at_all:Stamp': ModuleNotFoundError: No module named"),
        ("'MINE:Nothing'", "[2]: cannot import 'MINE:Nothing': AttributeError: module 'MINE' has no attribute"),
        ("'leaves:Stamp'", "[2]: cannot import 'leaves:Stamp': SystemExit: usage: leaves FILE"),
        ("'MINE:Plain'", "[2]: 'MINE:Plain' is no middleware: a class with `async def __call__(self, call, proceed)`"),
        ("'MINE:function'", "[2]: 'MINE:function' is no middleware"),
        ("'MINE:BadPolicy'", "[2]: `on_error` of 'MINE:BadPolicy' must be `fail` or `skip`"),
        ("'MINE:BadName'", "[2]: `name` of 'MINE:BadName' must be 1 to 64 letters, digits, `.`, `_` or `-`"),
        ("'MINE:BadOptions'", "[2]: `Options` of BadOptions must be a msgspec.Struct"),
        ("guess", "[2]: there is no middleware 'guess'; known here: authenticate, "),
    ],
)
def test_what_does_not_is_named_with_its_line_and_path(mine: str, step: str, problem: str) -> None:
    (found,) = problems_of(step.replace("MINE", mine))
    assert found.startswith(f"line 5: pipelines.default{problem.replace('MINE', mine)}")


class Quiet:
    """A log that nobody reads."""

    def warning(self, *_: Any, **__: Any) -> None: ...


class Entry:
    """An entry point of an installed package."""

    def __init__(self, name: str, module: str, attribute: str) -> None:
        self.name, self._module, self._attribute = name, module, attribute

    def load(self) -> Any:
        return getattr(__import__(self._module), self._attribute)


@pytest.fixture
def installed(mine: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Entry points `stamp`, `greet`, and one that takes the name of a built-in step."""
    found = [Entry("stamp", mine, "Stamp"), Entry("greet", mine, "Greet"), Entry("cache", mine, "Stamp")]
    monkeypatch.setattr(plugins_module, "_installed", lambda: {entry.name: entry for entry in found})
    return mine


def test_an_installed_package_is_named_without_its_path(installed: str) -> None:
    assert problems_of("stamp") == []
    assert problems_of("{greet: {word: servus}}") == []
    (found,) = problems_of("{greet: {most: many}}")
    assert found.startswith("line 5: pipelines.default[2].greet.most: Expected `int`")
    (unknown,) = problems_of("guess")
    assert unknown.endswith("cache, greet, stamp")


def test_no_package_takes_the_place_of_a_built_in_step(installed: str) -> None:
    assert problems_of("{cache: {ttl: 5m}}") == []


@pytest.fixture
def plugins() -> Plugins:
    return Plugins(Metrics(), Quiet())


@pytest.mark.parametrize(
    ("name", "shown"), [("MINE:Stamp", "Stamp"), ("stamp", "stamp"), ("MINE:Greet", "greeting"), ("greet", "greeting")]
)
def test_it_is_shown_by_its_own_name_or_the_one_it_was_found_by(
    installed: str, plugins: Plugins, name: str, shown: str
) -> None:
    assert plugins.make(name.replace("MINE", installed), {}).name == shown


async def test_it_is_given_its_options_as_it_declared_them(
    installed: str, plugins: Plugins, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    call = make_call()
    await plugins.make("greet", {"word": "servus", "patience": "500ms"})(call, answering(b"answer"))
    assert call.reply.headers["x-greeting"] == "servus 0.5"


@pytest.mark.parametrize(
    ("name", "options", "policy"),
    [("greet", {}, "skip"), ("greet", {"on_error": "fail"}, "fail"), ("stamp", {}, "fail")],
    ids=["its own", "the option over its own", "fail when nothing is said"],
)
def test_what_happens_when_it_raises_is_the_operators_word_first(
    installed: str, plugins: Plugins, name: str, options: dict[str, Any], policy: str
) -> None:
    assert repr(plugins.make(name, options)).endswith(f"on_error={policy})")


async def test_what_it_raises_is_counted_by_name_and_policy(
    mine: str, make_call: Callable[..., Call], answering: Callable[..., Any]
) -> None:
    metrics = Metrics()
    broken = Plugins(metrics, Quiet()).make(f"{mine}:Broken", {"on_error": "skip"})
    await broken(make_call(), answering(b"answer"))
    counted = 'runestone_middleware_errors_total{middleware="Broken",policy="skip"} 1.0'
    assert counted in metrics.exposition().decode()


def test_a_constructor_that_raises_says_whose_it_is(mine: str, plugins: Plugins) -> None:
    with pytest.raises(PluginError, match=f"cannot make the middleware '{mine}:Unmade': OSError: no such file"):
        plugins.make(f"{mine}:Unmade", {})
