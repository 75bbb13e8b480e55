"""The way of a call from the model that it asks to the one whose route answers. Pure: the same facts lead the same way."""

from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from chassis.config.catalog import Catalog, Route
from chassis.config.models import MOST_LEADS, Model
from chassis.routing.arms import choose_arm
from chassis.routing.expressions import Expression, ExpressionError, Scene
from chassis.routing.facts import VARIABLES, Facts
from chassis.routing.units import read_unit

# Hears of a rule that could not be computed: of which entry, its number there, its text, and why.
OnFailure = Callable[[str, int, str, str], None]


class Step(Struct, frozen=True, kw_only=True):
    """One thing that led on: at the entry `of`, its rule of number `rule`, which says `when`, or its `experiment` by an `arm`,
    which a `unit` of that kind is in; to `use`."""

    of: str
    use: str
    rule: int | None = None
    when: str = ""
    experiment: str = ""
    arm: str = ""
    unit: str = ""


class Resolution(Struct, frozen=True):
    """Where a call was led: the route that it `asked`, the `route` that answers, and the `model` by whose name that was found."""

    asked: Route
    route: Route
    model: str
    steps: tuple[Step, ...] = ()

    @property
    def assignment(self) -> Step | None:
        """The step at an experiment; there is at most one."""
        return next((step for step in self.steps if step.experiment), None)


class Resolver:
    """Follows the rules and experiments of `models`, which were checked. Raises ExpressionError when a rule cannot be read after all."""

    def __init__(self, catalog: Catalog, models: Iterable[Model]) -> None:
        self._catalog = catalog
        self._rules: Mapping[str, list[Expression]] = {
            model.name: [Expression(rule.when, VARIABLES) for rule in model.rules] for model in models if model.rules
        }

    @classmethod
    def of(cls, catalog: Catalog, models: Iterable[Model]) -> "Resolver | None":
        """The resolver; None where no model leads anywhere."""
        leading = [model for model in models if leads_on(model)]
        return cls(catalog, leading) if leading else None

    def resolve(self, model: str, facts: Facts, on_failure: OnFailure | None = None) -> Resolution | None:
        """The way of a call that asks a public `model`; None when nothing answers for that."""
        asked = self._catalog.find_route(model)
        return self.follow(asked, model, facts, on_failure) if asked is not None else None

    def follow(self, asked: Route, model: str, facts: Facts, on_failure: OnFailure | None = None) -> Resolution:
        """The way on from a route. A rule that cannot be computed counts as false, and `on_failure` is told."""
        scene = Scene(lambda name: VARIABLES[name](facts))
        route, steps = asked, list[Step]()
        while len(steps) < MOST_LEADS and (step := self._step(route.entry, scene, facts, on_failure)) is not None:
            found = self._catalog.find_route(step.use)
            assert found is not None, "a checked configuration leads to models that exist"
            route, model = found, step.use
            steps.append(step)
        return Resolution(asked, route, model, tuple(steps))

    def _step(self, entry: Model, scene: Scene, facts: Facts, on_failure: OnFailure | None) -> Step | None:
        expressions = self._rules[entry.name] if entry.rules else ()
        for number, (rule, expression) in enumerate(zip(entry.rules, expressions, strict=True)):
            try:
                holds = expression.holds(scene)
            except ExpressionError as error:
                holds = False
                if on_failure is not None:
                    on_failure(entry.name, number, rule.when, str(error))
            if holds:
                return Step(of=entry.name, use=rule.use, rule=number, when=rule.when)
        if (experiment := entry.experiment) is None:
            return None
        unit = read_unit(experiment.unit, facts)
        arm = choose_arm(experiment, unit)
        return Step(of=entry.name, use=arm.use, experiment=experiment.name, arm=arm.name, unit=unit[0])


def leads_on(model: Model) -> bool:
    """Whether calls of it may be answered as another's."""
    return bool(model.rules) or model.experiment is not None
