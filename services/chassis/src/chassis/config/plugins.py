"""Middleware of users' own: found by entry point or import path, with the type of its options."""

import importlib
import inspect
import re
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import msgspec

GROUP = "runestone.middleware"
ON_ERROR = "on_error"  # an attribute of the class, and an option that every middleware has
POLICIES = ("fail", "skip")

# It stands in the header `Server-Timing` (a token: RFC 9110, section 5.6.2), in metrics and in the log.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class PluginError(Exception):
    """A middleware that cannot be used; the message says why."""


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a middleware without `Options` takes."""


def is_plugin(name: str) -> bool:
    """Whether `name` is an import path (`package.module:Class`) or an installed entry point."""
    return ":" in name or name in _installed()


def list_plugins() -> list[str]:
    """The names that installed packages offer."""
    return sorted(_installed())


def load_plugin(name: str) -> type:
    """The class that `name` stands for. Raises PluginError when it cannot be imported or is no middleware."""
    try:
        found = _import(name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot import {name!r}: {type(error).__name__}: {error}") from error
    if not (inspect.isclass(found) and inspect.iscoroutinefunction(inspect.getattr_static(found, "__call__", None))):
        raise PluginError(f"{name!r} is no middleware: a class with `async def __call__(self, call, proceed)`")
    if plugin_policy(found) not in POLICIES:
        raise PluginError(f"`{ON_ERROR}` of {name!r} must be `fail` or `skip`")
    if not (isinstance(shown := plugin_name(found, name), str) and _NAME.fullmatch(shown)):
        raise PluginError(f"`name` of {name!r} must be 1 to 64 letters, digits, `.`, `_` or `-`")
    return found


def plugin_name(plugin: type, name: str) -> Any:
    """What is shown of it: the class's own `name`, else the last part of the one that it was found by."""
    return getattr(plugin, "name", name.rpartition(":")[2])


def plugin_policy(plugin: type) -> Any:
    """What the class says about what happens when it raises."""
    return getattr(plugin, ON_ERROR, POLICIES[0])


def options_type(plugin: type) -> type[msgspec.Struct]:
    """What its options are: the class's own `Options`. Raises PluginError when that is no msgspec.Struct."""
    kind = getattr(plugin, "Options", NoOptions)
    if not (inspect.isclass(kind) and issubclass(kind, msgspec.Struct)):
        raise PluginError(f"`Options` of {plugin.__qualname__} must be a msgspec.Struct")
    return kind


def _import(name: str) -> Any:
    if ":" not in name:
        return _installed()[name].load()
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


@cache
def _installed() -> dict[str, Any]:
    return {found.name: found for found in entry_points(group=GROUP)}
