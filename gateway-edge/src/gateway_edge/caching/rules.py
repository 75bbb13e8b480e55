"""What is looked up and what is kept: two tables. Pure.

Each row is a reason and the test that finds it. What no row refuses is looked up, or kept.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec import Struct

from chassis.config.pipelines import CacheOptions
from chassis.config.schema import Cache
from chassis.globs import Globs
from gateway_edge.caching.controls import Controls
from gateway_edge.call import Outcome, Question
from gateway_edge.callers.tenants import Principal
from gateway_edge.recording import EVENTS, Recording

FOLLOWED = "COALESCED"
KEPT = frozenset({"application/json", EVENTS})


class Rules(Struct, frozen=True, kw_only=True):
    """What one `cache` step of a pipeline keeps."""

    is_enabled: bool
    always: bool
    max_answer: int
    models: Globs
    tenants: Globs
    only_tags: frozenset[str]
    unless_tags: frozenset[str]
    finish_reasons: frozenset[str]

    @classmethod
    def of(cls, options: CacheOptions, cache: Cache) -> "Rules":
        """Of a step's options, and of the configuration's `cache` where they leave something out."""
        when = cache.when if not isinstance(options.when, str) else options.when
        return cls(
            is_enabled=cache.enabled,
            always=when == "always",
            max_answer=options.max_answer,
            models=Globs(options.models),
            tenants=Globs(options.tenants),
            only_tags=frozenset(options.only_tags),
            unless_tags=frozenset(options.unless_tags),
            finish_reasons=frozenset(options.finish_reasons),
        )


class Asked(Struct, frozen=True):
    """A question as the rules see it."""

    question: Question
    caller: Principal
    controls: Controls
    tags: tuple[str, ...]


class QuestionRule(NamedTuple):
    """A reason, the test that finds it, and whether any question can fail it under some rules."""

    reason: str
    refuses: Callable[[Rules, Asked], bool]
    matters: Callable[[Rules], bool] = lambda _: True


QUESTIONS = (
    QuestionRule("disabled", lambda _r, _a: True, lambda rules: not rules.is_enabled),
    QuestionRule("endpoint", lambda _, asked: not asked.question.endpoint.may_be_kept),
    QuestionRule("no-store", lambda _, asked: asked.controls.no_store),
    QuestionRule("store-false", lambda _, asked: asked.question.view.is_kept_back),
    QuestionRule(
        "not-deterministic",
        lambda _, asked: not (asked.question.view.is_deterministic or asked.controls.uses_cache),
        lambda rules: not rules.always,
    ),
    QuestionRule("model", lambda rules, asked: asked.question.view.model not in rules.models),
    QuestionRule("tenant", lambda rules, asked: asked.caller.tenant not in rules.tenants),
    QuestionRule(
        "tags", lambda rules, asked: rules.only_tags.isdisjoint(asked.tags), lambda rules: bool(rules.only_tags)
    ),
    QuestionRule(
        "tags",
        lambda rules, asked: not rules.unless_tags.isdisjoint(asked.tags),
        lambda rules: bool(rules.unless_tags),
    ),
    QuestionRule("tool-error", lambda _, asked: asked.question.holds_tool_error),
    QuestionRule("ambiguous", lambda _, asked: asked.question.is_ambiguous),
)

ANSWERS: tuple[tuple[str, Callable[[Rules, Question, Outcome, Recording], bool]], ...] = (
    ("not-whole", lambda _r, _q, outcome, _a: not outcome.is_complete or outcome.error is not None),
    # The one who leads keeps it, or whom it falls to when he has left.
    ("followed", lambda _r, _q, outcome, _a: outcome.cache == FOLLOWED and not outcome.is_keeper),
    ("kind", lambda _r, _q, _o, answer: answer.content_type not in KEPT),
    ("size", lambda rules, _q, _o, answer: not 0 < answer.size <= rules.max_answer),
    ("finish-reason", lambda rules, question, outcome, _a: _ends_otherwise(rules, question, outcome)),
    # Half of one model's words and half of another's is the answer of neither.
    ("continued", lambda _r, _q, outcome, _a: bool(outcome.parts)),
    ("other-target", lambda _r, question, outcome, _a: not question.is_target(outcome)),
)


def _ends_otherwise(rules: Rules, question: Question, outcome: Outcome) -> bool:
    return question.endpoint.tells_finish and outcome.finish_reason not in rules.finish_reasons


def list_questions(rules: Rules) -> tuple[QuestionRule, ...]:
    """The rows that matter under some rules."""
    return tuple(rule for rule in QUESTIONS if rule.matters(rules))


def refuse_question(rules: Rules, rows: Iterable[QuestionRule], asked: Asked) -> str:
    """Why the answer to a question is neither looked up nor kept; "" where it is."""
    for rule in rows:
        if rule.refuses(rules, asked):
            return rule.reason
    return ""


def refuse_answer(rules: Rules, question: Question, outcome: Outcome, answer: Recording) -> str:
    """Why an answer is not kept; "" where it is."""
    for reason, refuses in ANSWERS:
        if refuses(rules, question, outcome, answer):
            return reason
    return ""
