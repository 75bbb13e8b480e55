"""Which stream is read on: it is found where it is, for its tenant and nobody else."""

from collections.abc import Mapping

from chassis.config import Catalog, Route
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call, Followed, Question
from gateway_edge.door.intake import STREAM_HEADER
from gateway_edge.endpoints.streams import read_stream_id
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.base import Pipeline, Proceed
from gateway_edge.question.views import StreamableRequest
from gateway_edge.streams.gates import Gates
from gateway_edge.streams.note import StreamNote
from gateway_edge.streams.notes import StreamNotes, no_stream
from gateway_edge.streams.numbering import Numbering
from gateway_edge.streams.position import read_position
from gateway_edge.streams.reply import StreamReply, Taking

DEFAULT = "default"


class FindStream:
    """Reads a stream on through the answer side of the pipeline that it began in: `live` are those for what a provider sends, `kept` those
    for what the cache gave, by their names. The last of the steps that every such call takes."""

    name = "find_stream"

    def __init__(
        self,
        notes: StreamNotes,
        gates: Gates,
        catalog: Catalog,
        live: Mapping[str, Pipeline],
        kept: Mapping[str, Pipeline],
    ) -> None:
        self._notes = notes
        self._gates = gates
        self._catalog = catalog
        self._live = live
        self._kept = kept

    async def __call__(self, call: Call, proceed: Proceed) -> None:  # noqa: ARG002  what comes after is what it chooses
        """Sends the events that the client does not have. Raises NOT_FOUND, in the same words for a stream that is unknown, another
        tenant's, or of a model that the caller may not use; INVALID_REQUEST for a place that is none; EVENTS_LOST for one that is no longer
        kept; UNAVAILABLE when nobody can say."""
        if call.principal is None:
            raise RunestoneError(Reason.AUTHENTICATION_FAILED, "you did not provide an API key; streams have owners")
        stream_id = read_stream_id(call.arrival.endpoint)
        note = await self.find(call, stream_id)
        call.endpoint = ENDPOINTS[note.path]
        call.reply.voice = voice = call.endpoint.voice
        if voice.id_header:
            call.reply.headers[voice.id_header] = call.id
        had = read_position(call.arrival.headers, call.arrival.query)
        call.reply.headers[STREAM_HEADER] = stream_id
        # What changes answers has to see all of them to make the same of them.
        after_seq = 0 if note.is_changing else had
        await self.follow(call, Followed(stream_id, note, after_seq), Numbering(after_seq, had))

    async def find(self, call: Call, stream_id: str) -> StreamNote:
        """What is known of the stream. Raises as `__call__` does."""
        assert call.principal is not None, "it is found out who calls before what is read"
        note = await self._notes.find(call.principal.tenant, stream_id)
        if note.path not in ENDPOINTS or not call.principal.scope.allows_model(note.model):
            raise no_stream(stream_id)
        return note

    async def follow(self, call: Call, followed: Followed, taking: Taking) -> None:
        """Sends what `taking` makes of it. Raises as `__call__` does."""
        note = followed.note
        pipeline = self._choose(call, note)
        call.followed, call.cause = followed, followed.stream_id
        call.body, call.document = b"", {"model": note.model}
        route = self._catalog.find_route(note.model) or Route(note.route or note.model, ())
        view = StreamableRequest(model=note.model, stream=True)
        call.question = Question(b"", view, route, decoded=call.document, endpoint=call.endpoint)
        plain = call.reply
        call.reply = StreamReply(plain, self._gates.enter(followed.stream_id), taking)
        try:
            await pipeline(call)
        finally:
            call.reply = plain
            self._gates.leave(followed.stream_id)

    def _choose(self, call: Call, note: StreamNote) -> Pipeline:
        """The pipeline that the stream began in. One that changes answers, and has changed itself since, would make other events."""
        pipelines = self._kept if note.kept else self._live
        call.pipeline = note.pipeline if note.pipeline in pipelines else DEFAULT
        pipeline = pipelines[call.pipeline]
        if (note.is_changing or pipeline.changes_answers) and pipeline.version != note.version:
            message = "the pipeline that this stream goes through has changed; it cannot be read on, ask again"
            raise RunestoneError(Reason.EVENTS_LOST, message)
        call.pipeline_version = pipeline.version
        return pipeline
