"""What keeps one Envoy alive: it sheds before its memory or its descriptors are used up. Pure.

https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
"""

from launcher.envoy.anytype import extension
from launcher.envoy.site import Bounds, Document

HEAP, CONNECTIONS = (
    "resource_monitors.fixed_heap",
    "resource_monitors.global_downstream_max_connections",
)


def write_overload_manager(bounds: Bounds) -> Document:
    """Near the bound of its heap it gives memory back, then closes idle connections, then takes no more requests, then no more
    connections."""
    monitors = [
        extension(HEAP, "extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=bounds.heap),
        extension(
            CONNECTIONS,
            "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            max_active_downstream_connections=bounds.connections,
        ),
    ]
    steps = (
        ("shrink_heap", 0.85),
        ("disable_http_keepalive", 0.9),
        ("stop_accepting_requests", 0.95),
        ("stop_accepting_connections", 0.98),
    )
    actions = [_action(name, at) for name, at in steps]
    return {"refresh_interval": "0.25s", "resource_monitors": monitors, "actions": actions}


def _action(name: str, at: float) -> Document:
    trigger = {"name": f"envoy.{HEAP}", "threshold": {"value": at}}
    return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}
