"""Why a call would go where: what rules and experiments lead to, and the targets' order. Pure."""

import msgspec

from chassis.config import Settings
from chassis.config.catalog import Catalog
from chassis.routing.resolution import Resolution, Resolver, Step
from launcher.errors import LaunchError
from launcher.inquiry import Inquiry
from runestone.target.v1.target_pb2 import ExplainRouteResponse


class Lead(msgspec.Struct, frozen=True):
    """One thing that leads on from the entry `of` to the model `use`: its rule of number `rule`, counted from 0, which says `when`, or its
    `experiment` by an `arm`, in which a `unit` of that kind is."""

    of: str
    use: str
    rule: int | None = None
    when: str | None = None
    experiment: str | None = None
    arm: str | None = None
    unit: str | None = None


class Failure(msgspec.Struct, frozen=True):
    """A rule that cannot be computed for this call, and therefore counts as false."""

    of: str
    rule: int
    when: str
    why: str


class Place(msgspec.Struct, frozen=True):
    """A target in the order, or behind it where it would not be asked; `why` for people."""

    route: str
    provider: str
    model: str
    eligible: bool
    why: str


class RouteExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole way, as `replica` of provider-svc would go now."""

    model: str
    tenant: str
    endpoint: str
    leads: list[Lead]
    failures: list[Failure]
    route: str
    strategy: str
    replica: str
    targets: list[Place]


def resolve(settings: Settings, inquiry: Inquiry) -> tuple[Resolution, list[Failure]]:
    """Where rules and experiments lead. Raises LaunchError for a model that nothing answers for."""
    catalog = Catalog(settings.models, settings.providers)
    failures: list[Failure] = []

    def note(of: str, number: int, when: str, why: str) -> None:
        failures.append(Failure(of, number, when, why))

    route = catalog.find_route(inquiry.model)
    if route is None:
        raise LaunchError(f"no route answers for the model {inquiry.model!r}; `runestone routes list` shows all")
    resolver = Resolver.of(catalog, settings.models)
    if resolver is None:
        return Resolution(route, route, inquiry.model), failures
    return resolver.follow(route, inquiry.model, inquiry.as_facts(), note), failures


def explain(
    inquiry: Inquiry, resolution: Resolution, failures: list[Failure], replica: str, answer: ExplainRouteResponse
) -> RouteExplanation:
    """Puts together what was found out."""
    return RouteExplanation(
        model=inquiry.model,
        tenant=inquiry.tenant,
        endpoint=inquiry.path,
        leads=[_describe(step) for step in resolution.steps],
        failures=failures,
        route=answer.route,
        strategy=answer.strategy,
        replica=replica,
        targets=[Place(one.route, one.provider, one.model, one.eligible, one.why) for one in answer.choices],
    )


def _describe(step: Step) -> Lead:
    return Lead(
        of=step.of,
        use=step.use,
        rule=step.rule,
        when=step.when or None,
        experiment=step.experiment or None,
        arm=step.arm or None,
        unit=step.unit or None,
    )
