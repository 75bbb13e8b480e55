"""Where rules and experiments lead a call: asked behind the model that its caller may use, before anything else looks at the route."""

from collections.abc import Mapping
from typing import Any

from chassis.logs import Logger
from chassis.metrics import Metrics
from chassis.routing.facts import Facts
from chassis.routing.resolution import Resolver, leads_on
from gateway_edge.caching.tags import read_tags
from gateway_edge.call import Call, Question
from gateway_edge.policy import Policy
from gateway_edge.question.form import Upload
from gateway_edge.question.telling import tell_assignment, tell_route

MOST_TOLD = 1_024  # rules; those of configurations that are no more among them


class RuleFailures:
    """Rules that could not be computed for a call: counted each time, and told of in the log once."""

    def __init__(self, metrics: Metrics, log: Logger) -> None:
        self._count = metrics.counter("rule_failures", "Rules that could not be computed, taken as false", ("model",))
        self._log = log
        self._told: set[tuple[str, str]] = set()

    def note(self, model: str, number: int, when: str, why: str) -> None:
        """The rule of a number at an entry of `models`."""
        self._count.labels(model).inc()
        if (model, when) in self._told:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told.add((model, when))
        self._log.warning("a rule cannot be computed and counts as false", model=model, rule=number, when=when, why=why)


class Leading:
    """The rules and experiments of one policy."""

    def __init__(self, resolver: Resolver, failures: RuleFailures) -> None:
        self._resolver = resolver
        self._failures = failures

    @classmethod
    def of(cls, policy: Policy, failures: RuleFailures) -> "Leading | None":
        """None where no model leads anywhere."""
        resolver = Resolver.of(policy.catalog, policy.settings.models)
        return cls(resolver, failures) if resolver is not None else None

    def lead(self, call: Call) -> None:
        """Gives the question the route that answers it. Raises INVALID_REQUEST for tags that are none."""
        question = call.asked
        if not leads_on(question.route.entry):
            tell_assignment(call, None)  # a question that was changed may have led before
            tell_route(call, "")
            return
        resolution = self._resolver.follow(
            question.route, question.view.model, _facts_of(call, question), self._failures.note
        )
        question.lead(resolution)
        tell_assignment(call, resolution.assignment)
        tell_route(call, resolution.route.name)
        if resolution.assignment is not None and resolution.assignment.unit == "call":
            call.is_repeatable = False


def _facts_of(call: Call, question: Question) -> Facts:
    caller = call.principal
    return Facts(
        model=question.view.model,
        tenant=caller.tenant if caller else "",
        key=caller.key if caller else "",
        call_id=call.cause or call.id,  # what is asked anew goes where the first was led
        endpoint=question.endpoint.path,
        body=question.body,
        read_document=lambda: question.document if question.form is None else _leave_out_files(question.document),
        tags=read_tags(call.arrival.headers),
        is_stream=question.is_stream,
        is_form=question.form is not None,
    )


def _leave_out_files(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A form's texts."""
    return {name: value for name, value in fields.items() if not _holds_file(value)}


def _holds_file(value: object) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, Upload) or any(map(_holds_file, inner))
