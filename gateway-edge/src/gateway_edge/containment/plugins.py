"""Middleware of users' own, made once for each place in a pipeline and contained."""

from collections.abc import Mapping
from typing import Any

from chassis.config.plugins import (
    ON_ERROR,
    NoOptions,
    PluginError,
    load_plugin,
    options_type,
    plugin_name,
    plugin_policy,
)
from chassis.config.shapes import convert
from chassis.logs import Logger
from chassis.metrics import Metrics
from gateway_edge.containment.middleware import Contained
from gateway_edge.middleware.base import Middleware


class Plugins:
    """Makes them. What they raise is counted in `runestone_middleware_errors_total{middleware, policy}`."""

    def __init__(self, metrics: Metrics, log: Logger) -> None:
        self._errors = metrics.counter(
            "middleware_errors", "What users' middleware raised, and whether the call failed", ("middleware", "policy")
        )
        self._log = log

    def make(self, name: str, options: Mapping[str, Any]) -> Middleware:
        """The middleware that `name` stands for. Raises PluginError."""
        plugin = load_plugin(name)
        on_error = options.get(ON_ERROR, plugin_policy(plugin))
        return Contained(
            plugin_name(plugin, name), _construct(plugin, name, options), on_error, self._errors, self._log
        )


def _construct(plugin: type, name: str, options: Mapping[str, Any]) -> Middleware:
    kind = options_type(plugin)
    own = {option: value for option, value in options.items() if option != ON_ERROR}
    try:
        made: Middleware = plugin() if kind is NoOptions else plugin(convert(own, kind))
    except (Exception, SystemExit) as error:
        raise PluginError(f"cannot make the middleware {name!r}: {type(error).__name__}: {error}") from error
    return made
