"""All changes of a request, in their order."""

from collections.abc import Sequence
from typing import Any

from chassis.config.transform.options import RequestChange, RequestRedaction, chosen
from chassis.config.transform.paths import Path, parse_path
from gateway_edge.transform.changes import CHANGES, Change, Document
from gateway_edge.transform.facts import Facts
from gateway_edge.transform.headers import HeaderPlan
from gateway_edge.transform.places import find_holders, list_places
from gateway_edge.transform.redaction import Redaction
from gateway_edge.transform.texts import find_texts
from gateway_edge.transform.turns import Turns


class RequestPlan:
    """What is done to requests: made once of the options."""

    def __init__(self, changes: Sequence[RequestChange]) -> None:
        self._steps = [_make_step(kind, said) for change in changes for kind, said in chosen(change).items()]
        self.reads_document = any(not isinstance(step, HeaderPlan) for step in self._steps)

    def __bool__(self) -> bool:
        return bool(self._steps)

    def change(self, document: Document, facts: Facts) -> Turns[bool]:
        """Whether `document` was changed. Changed headers are in `facts`."""
        is_changed = False
        for step in self._steps:
            if isinstance(step, HeaderPlan):
                facts.headers = step.apply(facts.headers, facts)
            elif isinstance(step, _RequestRedaction):
                is_changed |= yield from step.change(document)
            else:
                is_changed |= step(document, facts)
        return is_changed


class _RequestRedaction:
    """`redact`: the text at a path, or all texts in what stands there."""

    def __init__(self, said: RequestRedaction) -> None:
        self._path: Path = parse_path(said.in_)
        self._redaction = Redaction([said])

    def change(self, document: Document) -> Turns[bool]:
        is_changed = False
        for holder in find_holders(document, self._path):
            for place in list_places(holder, self._path[-1]):
                is_changed |= yield from self._change_at(holder, place)
        return is_changed

    def _change_at(self, holder: Any, place: Any) -> Turns[bool]:
        value = holder.get(place) if isinstance(holder, dict) else holder[place]
        is_changed = False
        for inner, at, _ in [(holder, place, ())] if isinstance(value, str) else find_texts(value):
            redacted = yield from self._redaction.redact(inner[at])
            is_changed |= redacted != inner[at]
            inner[at] = redacted
        return is_changed


def _make_step(kind: str, said: Any) -> "Change | HeaderPlan | _RequestRedaction":
    if kind == "redact":
        return _RequestRedaction(said)
    return HeaderPlan([said]) if kind == "header" else CHANGES[kind](said)
