"""Headers set and removed, in the order of the configuration."""

from collections.abc import Mapping, Sequence

from chassis.config.transform.options import HeaderChange
from chassis.config.transform.templates import Template, parse_template
from gateway_edge.transform.facts import Facts


class HeaderPlan:
    """Made once of the options. Names are lower-case, as everywhere in the edge."""

    def __init__(self, changes: Sequence[HeaderChange]) -> None:
        self._changes = [
            (
                {name.lower(): parse_template(text) for name, text in change.set.items()},
                [*map(str.lower, change.remove)],
            )
            for change in changes
        ]

    def __bool__(self) -> bool:
        return bool(self._changes)

    def apply(self, headers: Mapping[str, str], facts: Facts) -> dict[str, str]:
        """The headers as they are afterwards."""
        changed = dict(headers)
        for given, removed in self._changes:
            _set(changed, given, facts)
            for name in removed:
                changed.pop(name, None)
        return changed


def _set(headers: dict[str, str], given: Mapping[str, Template], facts: Facts) -> None:
    for name, template in given.items():
        headers[name] = facts.fill(template)
