"""The configuration's `models`: public names, and how each becomes a target. The words are the field's."""

from typing import Annotated, Literal

from msgspec import Meta

from chassis.config.section import Count, Name, Section
from chassis.config.units import Duration

ModelName = Annotated[str, Meta(min_length=1, max_length=256)]

MOST_LEADS = 16  # models that one call is led over by rules and an experiment

# What a request may need of a model. `structured` is an answer by a JSON Schema.
Feature = Literal["tools", "vision", "audio", "documents", "structured", "thinking"]

# How one of a route's targets is chosen.
Strategy = Literal["weighted", "least_in_flight", "peak_ewma", "cheapest", "sticky"]


class Target(Section, frozen=True, kw_only=True):
    """One provider and one of its models; `*` stands for what the route's own `*` matched. Targets of a higher `priority` number are
    asked when none of a lower one can answer. `lacks` is what the model cannot do, `context_window` how many tokens it takes: calls that
    need more go to others."""

    provider: str
    model: str
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1
    priority: Annotated[int, Meta(ge=0, le=15)] = 0
    lacks: list[Feature] = []
    context_window: Count | None = None


class Rule(Section, frozen=True, kw_only=True):
    """Calls of which `when`, an expression in CEL, is true are answered as calls of the model `use`."""

    when: Annotated[str, Meta(min_length=1, max_length=4_096)]
    use: ModelName


class Arm(Section, frozen=True, kw_only=True):
    """A share of an experiment: its calls are answered as calls of the model `use`."""

    name: Name
    use: ModelName
    weight: Annotated[int, Meta(ge=0, le=1_000_000)] = 1


class Experiment(Section, frozen=True, kw_only=True):
    """Calls divided into arms by weight. All calls of one `unit` are in the same arm, as long as the arms and their weights are."""

    name: Name
    unit: Literal["user", "conversation", "key", "tenant", "call"] = "user"
    arms: Annotated[list[Arm], Meta(min_length=2, max_length=16)]


class Hedging(Section, frozen=True, kw_only=True):
    """A second target is asked when the first has sent nothing `after` a time (absent: that within which 95 % of its answers begin), for
    at most `share` of the calls; whichever begins first answers, the other is cancelled."""

    after: Duration | None = None
    share: Annotated[float, Meta(gt=0, le=0.05)] = 0.05


class Model(Section, frozen=True, kw_only=True):
    """A public model name and the targets that answer for it. A name may end in `*`. The first of `rules` that holds, else the
    `experiment`, leads a call to another model; then a target is chosen by the `strategy`, sticky ones by `sticky_by`. Where no target
    could answer, those of the `fallbacks` are asked in turn. With `continue_streams` a stream that breaks off goes on at another target.
    `pipeline` is taken by calls of this model, unless their key has one of its own. `on_loss`: what becomes of a call that says what its
    target's language has no word for, and that may change the answer; with `drop` it is left out and told of."""

    name: ModelName
    targets: list[Target] = []
    strategy: Strategy = "weighted"
    sticky_by: Literal["user", "conversation"] = "conversation"
    rules: list[Rule] = []
    experiment: Experiment | None = None
    fallbacks: list[str] = []
    hedging: Hedging | None = None
    continue_streams: bool = False
    pipeline: str | None = None
    on_loss: Literal["refuse", "drop"] = "refuse"
