"""The server's metrics of OpenTelemetry's GenAI conventions: to its clients the gateway is the provider. Models are configured names."""

from chassis import genai_buckets as buckets
from chassis.metric_families import Distribution
from chassis.metrics import GEN_AI, Metrics
from chassis.operations import name_operation
from gateway_edge.call import Call, Question

LABELS = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
PROVIDER = "runestone"


class GenAiServerMetrics:
    """Bound once."""

    def __init__(self, metrics: Metrics) -> None:
        self._durations = metrics.histogram(
            "server_request_duration_seconds",
            "Time of one call as its client sees it",
            (*LABELS, "error_type"),
            buckets.DURATION,
            namespace=GEN_AI,
        )
        self._first_tokens = metrics.histogram(
            "server_time_to_first_token_seconds",
            "Time until the client of a stream was sent the first chunk",
            LABELS,
            buckets.FIRST_TOKEN,
            namespace=GEN_AI,
        )
        self._output_tokens = metrics.histogram(
            "server_time_per_output_token_seconds",
            "Time for each token behind the first of a stream",
            LABELS,
            buckets.OUTPUT_TOKEN,
            namespace=GEN_AI,
        )

    def duration_of(self, question: Question, error_type: str) -> Distribution:
        """Where the time of calls such as this is counted; `error_type` is empty where none failed."""
        return self._durations.labels(*_labels(question), error_type)

    def first_token_of(self, question: Question) -> Distribution:
        """Where the time to the first chunk of such streams is counted."""
        return self._first_tokens.labels(*_labels(question))

    def note_call(self, call: Call, question: Question, seconds: float) -> None:
        """Counts a call of `question` that has ended after `seconds`."""
        error = call.outcome.error
        duration = self.duration_of(question, str(error.reason) if error is not None else "")
        duration.observe(seconds)
        if call.trace.sampled:
            duration.exemplify(seconds, call.trace)
        if question.is_stream and call.reply.first_byte_at is not None:
            self._note_stream(call, question, call.reply.first_byte_at - call.arrival.received_at, seconds)

    def _note_stream(self, call: Call, question: Question, first: float, seconds: float) -> None:
        outcome = call.outcome
        first_token = self.first_token_of(question)
        first_token.observe(first)
        if call.trace.sampled:
            first_token.exemplify(first, call.trace)
        tokens = outcome.usage.output_tokens if outcome.usage is not None else 0
        if outcome.is_complete and outcome.chunks and tokens > 1:
            self._output_tokens.labels(*_labels(question)).observe((seconds - first) / (tokens - 1))


def _labels(question: Question) -> tuple[str, str, str]:
    return name_operation(question.endpoint.dialect), PROVIDER, question.public.name
