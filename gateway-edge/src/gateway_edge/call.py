"""One call on its way through the edge: what arrived, what the middleware found out, how it ended."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from msgspec import Struct, field

from chassis.config import Route, Settings
from chassis.context import TraceContext
from chassis.errors import RunestoneError
from chassis.routing.resolution import Resolution
from gateway_edge.caching.controls import NO_CONTROLS, Controls
from gateway_edge.callers.tenants import Principal
from gateway_edge.endpoints.endpoint import Endpoint
from gateway_edge.endpoints.table import CHAT
from gateway_edge.limits.limit import RequestLimit
from gateway_edge.question.body import decode_object, name_model
from gateway_edge.question.fingerprint import is_ambiguous
from gateway_edge.question.form import Form, read_form
from gateway_edge.question.tool_errors import holds_tool_error
from gateway_edge.question.views import View
from gateway_edge.reply import Reply
from gateway_edge.stopwatch import Stopwatch
from gateway_edge.streams.note import StreamNote
from runestone.common.v1.attempt_pb2 import Attempt
from runestone.common.v1.cost_pb2 import Cost
from runestone.common.v1.usage_pb2 import Usage
from runestone.provider.v1.provider_pb2 import Resource


class Arrival(Struct, frozen=True, kw_only=True):
    """What is known of a call before anything is done with it. `path` and `query` are as they stand in the request's first line,
    `endpoint` is the path decoded, `template` the path's own (`/v1/models/{id}`), `model` the one that the path names, if it does;
    `read_body` reads the body once, bounded in bytes and time;
    `client_address` is who calls, found behind trusted proxies when the call `is_proxied` by one, empty where that is not known;
    `received_at` is `Clock.monotonic`, `started_at` seconds since the epoch, `timeout` the seconds that the call may take."""

    method: str
    path: str
    query: str
    endpoint: str
    template: str
    headers: Mapping[str, str]
    client_address: str
    received_at: float
    started_at: float
    timeout: float
    read_body: Callable[[], Awaitable[bytes]]
    is_proxied: bool = False
    model: str = ""


class Outcome(Struct):
    """How the call went, filled in as it goes; settled and recorded on every way out. `replay_of` is the id of the call whose kept answer
    was given; what was used, and its cost, `is_billed` or was given for nothing; `dropped` are the request's members that its provider
    could not be asked. A call that shared another's `is_keeper` when it falls to it to have the answer kept. `route` is the one that
    answers, or was asked last, and `why` says why it was its target; `failed_attempts` brought nothing, `parts` were put together to one
    stream, which had so many `chunks`."""

    cache: str = ""
    provider: str = ""
    provider_model: str = ""
    attempts: int = 0
    usage: Usage | None = None
    cost: Cost | None = None
    finish_reason: str = ""
    replay_of: str = ""
    is_billed: bool = True
    is_keeper: bool = False
    dropped: tuple[str, ...] = ()
    route: str = ""
    why: str = ""
    experiment: str = ""
    arm: str = ""
    failed_attempts: tuple[Attempt, ...] = ()
    parts: tuple[Attempt, ...] = ()
    chunks: int = 0
    is_complete: bool = False
    error: RunestoneError | None = None


class Question(Struct):
    """A validated request: the client's bytes, the typed view, the route that its model names, what its `cache` member says, and the
    endpoint that it was sent to. The decoded document is there where it was needed, the `form` where the body is one. `notes`, where the
    same bytes came from the same caller before, is what was worked out of them, each note under who made it: it is shared by all calls that
    ask the same."""

    body: bytes
    view: View
    route: Route
    controls: Controls = NO_CONTROLS
    decoded: dict[str, Any] | None = None
    notes: dict[object, Any] | None = None
    endpoint: Endpoint = CHAT
    form: Form | None = None
    resolution: Resolution | None = None

    def lead(self, resolution: Resolution) -> None:
        """Takes the route that rules and experiments led to. What was noted of the same bytes before holds for the same route only."""
        self.resolution, self.route = resolution, resolution.route
        if self.notes is not None:
            self.notes = self.notes.setdefault(resolution.model, {})

    @property
    def public(self) -> Route:
        """The route of the model that is asked, wherever that leads."""
        return self.resolution.asked if self.resolution is not None else self.route

    @property
    def led_to(self) -> str:
        """The model whose targets are asked; empty for that which the request names."""
        return self.resolution.model if self.resolution is not None and self.resolution.steps else ""

    @property
    def is_stream(self) -> bool:
        """Whether the client wants events."""
        return self.view.is_stream

    @property
    def document(self) -> dict[str, Any]:
        """The body's object."""
        if self.decoded is None:
            self.decoded = orjson.loads(self.body)
        return self.decoded

    @property
    def is_ambiguous(self) -> bool:
        """Whether two readers could read the body differently, or more than its document says."""
        return self.form is None and is_ambiguous(self.body, self.document)

    @property
    def holds_tool_error(self) -> bool:
        """Whether it tells the model of a tool that failed."""
        return b'"is_error"' in self.body and holds_tool_error(self.document.get("messages"))

    def is_target(self, outcome: Outcome) -> bool:
        """Whether what answered is one of the route's own targets."""
        named = (outcome.provider, outcome.provider_model)
        return any((target.provider, target.model) == named for target in self.route.targets)


class Given(Struct, frozen=True):
    """A kept answer out of this process' own copies, as it was sent: under which key, when it stops to be fresh (seconds since the
    epoch), its bytes."""

    key: bytes
    copy: object
    stored_at: float
    fresh_until: float
    body: bytes


class Kept(Struct, frozen=True):
    """A kept answer that was given: its key, whose it is, and the id of the call that it was given to first."""

    key: bytes
    tenant: str
    request_id: str


class Followed(Struct):
    """The stream that a call reads on, from behind event `after_seq` of what its provider sends. It `settles` when the call that began the
    stream is gone, and it falls to this one to be billed for it."""

    stream_id: str
    note: StreamNote
    after_seq: int = 0
    settles: bool = False


class Call(Struct, kw_only=True, eq=False):
    """The one object that passes through a pipeline. `principal` and `question` are set by the middleware that finds them out; those after
    it may rely on them (`caller`, `asked`). `ending` is why the gateway itself ends the call: its deadline passed, or the process stops.
    Calls with the same `coalesce_key` may share one call to the provider. `body` is what is asked, which a middleware may have changed;
    `received` is what the client sent. `limits` are those that admitted it, `given` the copy of a kept answer that it got, `kept` says
    which one, wherever it was found. `endpoint` is where models are asked; that of chat also where none is. `resource` is what a provider
    keeps and is asked for in place of an answer; `followed` the stream that is read on in place of a question. A call that `is_resumable`
    goes on while its client is away, one that `may_be_background` where its question says so; its pipeline may be one that
    `changes_answers`; `provider`, where it is set, the only one that can answer. `cause` is the id of the call for which the edge itself
    makes this one, or whose stream it reads on; `dialogue` is where it speaks with its client both ways, if it does."""

    id: str
    arrival: Arrival
    reply: Reply
    settings: Settings
    snapshot_version: str
    trace: TraceContext
    stopwatch: Stopwatch
    outcome: Outcome = field(default_factory=Outcome)
    principal: Principal | None = None
    question: Question | None = None
    ending: RunestoneError | None = None
    pipeline: str = ""
    pipeline_version: bytes = b""
    is_repeatable: bool = False
    coalesce_key: bytes = b""
    limits: tuple[RequestLimit, ...] = ()
    given: Given | None = None
    kept: Kept | None = None
    endpoint: Endpoint = CHAT
    body: bytes | None = None
    received: bytes | None = None
    document: dict[str, Any] | None = None
    form: Form | None = None
    resource: Resource | None = None
    provider: str = ""
    cause: str = ""
    dialogue: Any = None
    followed: Followed | None = None
    is_resumable: bool = False
    may_be_background: bool = False
    changes_answers: bool = False

    async def read_document(self) -> dict[str, Any]:
        """The body's object, decoded once for all who ask; a form's fields, of which all but files are text. Raises INVALID_REQUEST
        when it is none, and what reading raises."""
        body = await self.read_body()
        if self.document is None:
            if self.endpoint.is_form:
                self.form = read_form(body, self.arrival.headers.get("content-type", ""))
                self.document = self.form.document | ({"model": self.arrival.model} if self.arrival.model else {})
            else:
                self.document = decode_object(body, self.settings.edge.protection.max_json_depth)
        return self.document

    async def read_body(self) -> bytes:
        """The body, read once for all who ask; where the path names the model, JSON with that in it. Raises BODY_TOO_LARGE,
        REQUEST_TIMEOUT."""
        if self.body is None:
            self.body = self.received = await self.arrival.read_body()
            if self.arrival.model and not self.endpoint.is_form:
                self.body = name_model(self.body, self.arrival.model)
        return self.body

    def __repr__(self) -> str:
        """What a traceback may show: neither what is asked nor with which credentials."""
        return f"Call({self.id}, {self.arrival.template})"

    @property
    def caller(self) -> Principal:
        """Who calls; only after `authenticate`."""
        assert self.principal is not None, "authenticate comes first"
        return self.principal

    @property
    def asked(self) -> Question:
        """What is asked; only after `validate`."""
        assert self.question is not None, "validate comes first"
        return self.question
