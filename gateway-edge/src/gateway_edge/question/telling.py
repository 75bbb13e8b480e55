"""What a call says of the way that it took: to its client in headers, to its record in the outcome."""

from chassis.routing.resolution import Step
from gateway_edge.call import Call
from gateway_edge.reply import EXPERIMENT, ROUTE, WHY


def tell_route(call: Call, route: str, why: str = "") -> None:
    """Which route answers, and why its target. A client is told where that is not the route of the model that it asked."""
    outcome, headers = call.outcome, call.reply.headers
    outcome.route, outcome.why = route, why
    _put(headers, ROUTE, route if route != call.asked.public.name else "")
    _put(headers, WHY, why)


def tell_assignment(call: Call, step: Step | None) -> None:
    """Which arm of which experiment the call is in; None for none."""
    outcome = call.outcome
    outcome.experiment, outcome.arm = (step.experiment, step.arm) if step else ("", "")
    _put(call.reply.headers, EXPERIMENT, f"{step.experiment}={step.arm}" if step else "")


def _put(headers: dict[str, str], name: str, value: str) -> None:
    if value:
        headers[name] = value
    else:
        headers.pop(name, None)
