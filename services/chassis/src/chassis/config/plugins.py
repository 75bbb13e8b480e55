"""Middleware of users' own: found by entry point or import path, with the type of its options."""

import importlib
import inspect
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import msgspec

GROUP = "runestone.middleware"


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
    except Exception as error:
        raise PluginError(f"cannot import {name!r}: {type(error).__name__}: {error}") from error
    if not (inspect.isclass(found) and inspect.iscoroutinefunction(inspect.getattr_static(found, "__call__", None))):
        raise PluginError(f"{name!r} is no middleware: a class with `async def __call__(self, call, proceed)`")
    return found


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
