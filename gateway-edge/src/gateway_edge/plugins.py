"""Middleware of users' own, made once for each place in a pipeline and contained."""

from collections.abc import Mapping
from typing import Any

from chassis.config.pipelines import ON_ERROR
from chassis.config.plugins import NoOptions, load_plugin, options_type
from chassis.config.shapes import convert
from chassis.logs import Logger
from chassis.metrics import Metrics
from gateway_edge.middleware.base import Middleware
from gateway_edge.middleware.containment import Contained


class Plugins:
    """Makes them. What they raise is counted in `runestone_middleware_errors_total{middleware, policy}`."""

    def __init__(self, metrics: Metrics, log: Logger) -> None:
        self._errors = metrics.counter(
            "middleware_errors", "What users' middleware raised, and whether the call failed", ("middleware", "policy")
        )
        self._log = log

    def make(self, name: str, options: Mapping[str, Any]) -> Middleware:
        """The middleware that `name` stands for. Raises PluginError, and what its constructor raises."""
        plugin = load_plugin(name)
        kind = options_type(plugin)
        own = {option: value for option, value in options.items() if option != ON_ERROR}
        made = plugin() if kind is NoOptions else plugin(convert(own, kind))
        if not hasattr(made, "name"):
            made.name = name.rpartition(":")[2]
        on_error = options.get(ON_ERROR, getattr(plugin, ON_ERROR, "fail"))
        return Contained(made, on_error, self._errors, self._log)
