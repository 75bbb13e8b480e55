"""The metrics of OpenTelemetry's GenAI conventions, as of who asks models. Labels: an operation, a provider by the conventions' name, a model
as the configuration has it (`*` for names that clients choose), an error's reason."""

from typing import NamedTuple

from chassis import genai_buckets as buckets
from chassis.metric_families import Distribution
from chassis.metrics import GEN_AI, Metrics
from chassis.operations import name_operation
from provider_svc.attempts.attempt import Attempt
from provider_svc.span_attributes import name_provider

LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


class Asked(NamedTuple):
    """What the calls of one operation to one model are counted in."""

    input_tokens: Distribution
    output_tokens: Distribution
    first_chunk: Distribution


class GenAiMetrics:
    """Bound once; a call's children are found by what it is."""

    def __init__(self, metrics: Metrics) -> None:
        self._durations = metrics.histogram(
            "client_operation_duration_seconds",
            "Time of one call to a model, until its end",
            (*LABELS, "error_type"),
            buckets.DURATION,
            namespace=GEN_AI,
        )
        self._tokens = metrics.histogram(
            "client_token_usage",
            "Tokens of one call to a model",
            (*LABELS, "gen_ai_token_type"),
            buckets.TOKENS,
            namespace=GEN_AI,
        )
        self._first_chunks = metrics.histogram(
            "client_operation_time_to_first_chunk_seconds",
            "Time until the first chunk of a stream came from a model",
            LABELS,
            buckets.FIRST_TOKEN,
            namespace=GEN_AI,
        )
        self._asked: dict[tuple[str, str, str], Asked] = {}

    def duration(self, attempt: Attempt, error_type: str) -> Distribution:
        """Where the time of calls such as `attempt` is counted; `error_type` is empty where none failed."""
        return self._durations.labels(*_labels(attempt), error_type)

    def note_usage(self, attempt: Attempt) -> None:
        """Counts the tokens and the first chunk of a call that is over, as far as there were any."""
        labels = _labels(attempt)
        asked = self._asked.get(labels)
        if asked is None:
            asked = self._asked[labels] = self._open(labels)
        usage = attempt.owed.usage
        if usage is not None:
            asked.input_tokens.observe(usage.input_tokens)
            asked.output_tokens.observe(usage.output_tokens)
        if attempt.call.stream and attempt.first_chunk:
            asked.first_chunk.observe(attempt.first_chunk)

    def _open(self, labels: tuple[str, str, str]) -> Asked:
        return Asked(
            self._tokens.labels(*labels, "input"),
            self._tokens.labels(*labels, "output"),
            self._first_chunks.labels(*labels),
        )


def _labels(attempt: Attempt) -> tuple[str, str, str]:
    return (
        name_operation(attempt.call.dialect),
        name_provider(attempt.stop.seat.configured),
        attempt.stop.label,
    )
