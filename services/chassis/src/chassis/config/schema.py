"""The configuration file, section by section. Field names, defaults and units are what users write.

Unknown keys are errors. Lists of providers, models, pipelines and tenants start empty here; `launcher.defaults` adds
what a first start needs. What is accepted but cannot be enforced yet is refused in `chassis.config.unbuilt`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from chassis.config.authentication import Authentication
from chassis.config.models import Model
from chassis.config.providers import Provider
from chassis.config.rate_domains import RateDomain
from chassis.config.section import Count, Glob, Moment, Name, Port, Rate, Section
from chassis.config.units import Duration, Secret, Size, StoreUrl


class Tls(Section, frozen=True, kw_only=True):
    """Certificate, key and, where peers are verified, their authority: paths to PEM files."""

    cert: str = ""
    key: str = ""
    ca: str = ""


class Cors(Section, frozen=True, kw_only=True):
    """Browser origins that may call (`https://app.example`); `*`: any."""

    origins: list[str] = []


class HttpDoor(Section, frozen=True, kw_only=True):
    """The port that clients use. With `tls.ca` they must show a certificate of that authority. Who calls is read from
    `x-forwarded-for` or `forwarded` when the connection comes from one of `trusted_proxies` (addresses or CIDR ranges)."""

    host: str = "127.0.0.1"
    port: Port = 4003
    max_body: Size = Size(64 << 20)
    tls: Tls | None = None
    cors: Cors = Cors()
    trusted_proxies: list[str] = []


class AdminDoor(Section, frozen=True, kw_only=True):
    """The port that operators use: health, metrics, the admin API. Never public. `key` is the admin key; absent: the one in
    `admin.key` in the data directory. `key_hash` is what the edge is sent instead of it."""

    host: str = "127.0.0.1"
    port: Port = 4004
    key: Secret | None = None
    key_hash: str | None = None


class WebSocketDoor(Section, frozen=True, kw_only=True):
    """WebSockets, on a port of their own and on that of `edge.http`, whose host and certificate they share; and streams that outlive their
    connection, over SSE too.

    A client that is silent for twice `heartbeat_interval` is closed. A stream whose client is gone goes on for `resume_window`, one that is
    paused ends after `pause_window`. `origins` are those of browser pages that may connect, beside the page's own host (absent: those of
    `edge.http.cors`; `*`: any). What one connection may do is bounded: `max_channels` joined at a time, `max_streams` running at a time,
    `max_messages_per_second` and `max_joins_per_second`, with as many at once. A client that reads slowly has up to `max_buffer` bytes
    waiting for it, and `slow_consumer_timeout` to read them. A room tells who joins its last `history` messages.
    """

    port: Port = 4005
    max_frame_size: Size = Size(64 << 20)
    heartbeat_interval: Duration = Duration(30)
    resume_window: Duration = Duration(60)
    pause_window: Duration = Duration(60)
    origins: list[str] | None = None
    compression: bool = False
    max_channels: Annotated[int, Meta(ge=1, le=1000)] = 100
    max_streams: Annotated[int, Meta(ge=1, le=1000)] = 32
    max_messages_per_second: Count = 100
    max_joins_per_second: Count = 50
    max_buffer: Size = Size(1 << 20)
    slow_consumer_timeout: Duration = Duration(30)
    history: Annotated[int, Meta(ge=0, le=200)] = 50


class GrpcDoor(Section, frozen=True, kw_only=True):
    """The port for other services of the cluster, which call over gRPC; with `enabled: false` there is none."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 4006
    tls: Tls | None = None


class Drain(Section, frozen=True, kw_only=True):
    """Stopping: wait `delay` for balancers to notice, then up to `grace` for running calls, then up to `ship` for audit-svc to take the
    records that wait on disk: those that it did not are the next process's, where that has the same disk."""

    delay: Duration = Duration(0)
    grace: Duration = Duration(10)
    ship: Duration = Duration(2)


class Protection(Section, frozen=True, kw_only=True):
    """What one edge process bears, whoever calls. `max_connections_per_address` bounds connections, and behind a trusted proxy
    running calls, of one client address (of IPv6 its /64). A body that is slower than `min_body_rate` bytes a second
    after `body_grace` is given up. Calls are shed, those of the lowest priority first, when `max_calls` run, when the
    event loop is `max_loop_lag` late, or when the process holds `max_memory` (absent: nine tenths of its cgroup's limit,
    divided by the workers)."""

    max_connections: Count = 10_000
    max_connections_per_address: Count = 2_000
    max_calls: Count = 4_000
    max_calls_per_key: Count = 2_000
    max_loop_lag: Duration = Duration(1)
    max_memory: Size | None = None
    max_headers: Annotated[int, Meta(ge=8, le=1024)] = 128
    max_header_size: Size = Size(64 << 10)
    max_json_depth: Annotated[int, Meta(ge=4, le=250)] = 100
    header_timeout: Duration = Duration(15)
    idle_timeout: Duration = Duration(75)
    body_timeout: Duration = Duration(60)
    body_grace: Duration = Duration(5)
    min_body_rate: Size = Size(240)


class Edge(Section, frozen=True, kw_only=True):
    """The edge: doors, processes, protection, draining. With `end_revoked_streams` a call that runs when its key is revoked is
    ended; else it may end by itself."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    http: HttpDoor = HttpDoor()
    admin: AdminDoor = AdminDoor()
    websocket: WebSocketDoor = WebSocketDoor()
    grpc: GrpcDoor = GrpcDoor()
    drain: Drain = Drain()
    protection: Protection = Protection()
    key_pepper: Secret | None = None
    call_timeout: Duration = Duration(600)
    end_revoked_streams: bool = False


class Encryption(Section, frozen=True, kw_only=True):
    """Encryption of stored answers, of the tenants that `tenants` (globs) name. Data keys are wrapped by `master_key`; those that
    `previous_keys` wrapped can still be read. Edges keep copies for `near_tenants` (globs) only."""

    master_key: Secret
    previous_keys: tuple[Secret, ...] = ()
    tenants: tuple[str, ...] = ("*",)
    near_tenants: tuple[str, ...] = ()


class NearCache(Section, frozen=True, kw_only=True):
    """The copies of answers that each edge worker keeps, and their bound in bytes."""

    enabled: bool = True
    max_bytes: Size = Size(64 << 20)


class Warming(Section, frozen=True, kw_only=True):
    """Questions asked at start, before anybody else asks them: a file of JSON lines, for a tenant under the name of one of its
    keys, at most `rate` a second."""

    file: str | None = None
    tenant: str = ""
    key: str = ""
    rate: Count = 5


class SharedState(Section, frozen=True, kw_only=True):
    """What edges share for a while: nonces, calls under an `Idempotency-Key`, copies of streams, and rooms. `store` absent: `cache.store`. In
    memory at most `max_size` nonces, as many running calls, and as many answers, which take at most `max_bytes`; as many copies, and as
    many rooms, which take at most as much each."""

    store: StoreUrl | None = None
    max_size: Count = 100_000
    max_bytes: Size = Size(128 << 20)


class Cache(Section, frozen=True, kw_only=True):
    """The answer cache. `when: deterministic` keeps answers to requests with `temperature: 0` or a `seed` only."""

    enabled: bool = True
    when: Literal["deterministic", "always"] = "deterministic"
    max_size: Count = 10_000
    max_bytes: Size = Size(256 << 20)
    default_ttl: Duration = Duration(300)
    warm_on_startup: bool = False
    store: StoreUrl = StoreUrl("memory")
    encryption: Encryption | None = None
    near: NearCache = NearCache()
    warm: Warming = Warming()
    state: SharedState = SharedState()


class RateLimit(Section, frozen=True, kw_only=True):
    """The limiter's store, and what a limit does while it cannot be asked: `open` or `closed`. `domains` are limits that Envoy asks
    for, which no call of the mesh meets."""

    store: StoreUrl = StoreUrl("memory")
    when_down: Literal["open", "closed"] = "open"
    domains: list[RateDomain] = []


class Audit(Section, frozen=True, kw_only=True):
    """The audit store, what records hold of a call's content, and the bound of each edge worker's spool; at the bound new calls
    are refused."""

    store: StoreUrl = StoreUrl("sqlite")
    capture: Literal["nothing", "questions"] = "nothing"
    spool_max_bytes: Size = Size(256 << 20)


HostPort = Annotated[str, Meta(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):[0-9]{1,5}$")]


class Peer(Section, frozen=True, kw_only=True):
    """How one service is reached: where it listens (`unix`, or host:port) and where callers find it. `replicas` are as many as are
    started here, or as a name among `endpoints` stands for. `admin` (host:port) is where it shows operators its health and metrics over
    HTTP when it runs on its own; null: nowhere. `probe` (host:port) answers grpc.health.v1 in the clear, for kubelets, which have no
    certificate."""

    listen: str = "unix"
    admin: HostPort | None = None
    endpoints: list[str] = []
    replicas: Count = 1
    probe: str | None = None


class MeshTls(Section, frozen=True, kw_only=True):
    """TLS between services that reach each other over TCP: paths to PEM files, in which `{service}` stands for the name of who reads
    them. Both ends show a certificate of an authority in `ca`, with the SPIFFE ID `spiffe://<trust_domain>/runestone/<service>` or
    the DNS name `<service>.<trust_domain>`. The files are read again when they change."""

    cert: str
    key: str
    ca: str
    trust_domain: Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?\Z")] = "runestone.local"


class MeshCaller(Section, frozen=True, kw_only=True):
    """Somebody beside the mesh's own services: a name in the trust domain or a whole SPIFFE ID, and which rpcs it may call, as globs
    over `/package.Service/Method`."""

    name: Annotated[str, Meta(min_length=1, max_length=2048)]
    may: Annotated[list[Glob], Meta(min_length=1)]


class Mesh(Section, frozen=True, kw_only=True):
    """How the services reach each other. `callers` may call more than the services' own table allows."""

    cache: Peer = Peer()
    ratelimit: Peer = Peer()
    provider: Peer = Peer()
    audit: Peer = Peer()
    tls: MeshTls | None = None
    callers: list[MeshCaller] = []


class Budget(Section, frozen=True, kw_only=True):
    """Money in a period."""

    usd: Annotated[float, Meta(gt=0)]
    per: Literal["day", "week", "month"]


class PartLimit(Section, frozen=True, kw_only=True):
    """A limit of its own for the calls of some models and endpoints, all of them together; an empty list means all."""

    models: list[Glob] = []
    endpoints: list[Glob] = []
    requests_per_minute: Rate

    def is_for_same(self, other: "PartLimit") -> bool:
        """Whether both name the same models and endpoints, in whatever order."""
        return set(self.models) == set(other.models) and set(self.endpoints) == set(other.endpoints)


class Limits(Section, frozen=True, kw_only=True):
    """How much a tenant or key may do; absent: not limited. Of `per`, all that a call matches apply beside the others."""

    requests_per_minute: Rate | None = None
    tokens_per_minute: Count | None = None
    concurrency: Count | None = None
    budget: Budget | None = None
    per: list[PartLimit] = []


class Scopes(Section, frozen=True, kw_only=True):
    """What may be used: public model names, endpoints by their path (`/v1/chat/completions`), and from which addresses (IPv4
    and IPv6 ranges), the `rooms` that may be joined by their names, and what may be done in them: everybody there hears, who may `speak`
    sends messages and asks models, who may `control` pauses, resumes and cancels what others asked. An empty list allows everything, but for
    `pipelines`: those named here may be chosen with `x-runestone-pipeline` beside the one that applies anyway. A key may do what both its own
    and its tenant's scopes allow."""

    models: list[Glob] = []
    endpoints: list[Glob] = []
    pipelines: list[str] = []
    addresses: list[str] = []
    rooms: list[Glob] = []
    room_actions: list[Literal["listen", "speak", "control"]] = []


class PreviousSecret(Section, frozen=True, kw_only=True):
    """What a key's secret was before it was changed: good `until` then."""

    secret: Secret | None = None
    hash: str | None = None
    until: Moment


class Key(Section, frozen=True, kw_only=True):
    """A key: its secret (16-256 printable characters) or the hash that stands for it. `pipeline` is taken by its calls;
    `created_at` and `metadata` are the operator's own notes."""

    name: Name
    secret: Secret | None = None
    hash: str | None = None
    previous: PreviousSecret | None = None
    expires_at: Moment | None = None
    created_at: Moment | None = None
    pipeline: str | None = None
    scopes: Scopes = Scopes()
    limits: Limits = Limits()
    metadata: dict[str, str] = {}


class Tenant(Section, frozen=True, kw_only=True):
    """Whom keys, limits, cache and records belong to. Under load the calls of the lowest `priority` are shed first."""

    name: Name
    pipeline: str = "default"
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    scopes: Scopes = Scopes()
    limits: Limits = Limits()
    keys: list[Key] = []
    keys_file: str | None = None
    metadata: dict[str, str] = {}


class Telemetry(Section, frozen=True, kw_only=True):
    """Where traces go (`http://host:4317`, OTLP over gRPC, with TLS for `https://`; null: nowhere), which share of calls is traced, and
    whether spans have the names of today's semantic conventions, of those before, or both. `tenant_labels` is how many tenants have
    metrics of their own in each edge, those that call first; the others are counted together."""

    otlp_endpoint: str | None = None
    sample_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.01
    semantic_conventions: Literal["current", "legacy", "both"] = "current"
    tenant_labels: Annotated[int, Meta(ge=0, le=1_000)] = 100


PipelineStep = str | dict[str, dict[str, Any] | None]  # a middleware's name, or the name with its options


class Settings(Section, frozen=True, kw_only=True):
    """The whole configuration. `auth: none` lets pipelines leave out `authenticate`: who presents no credentials then calls as
    the tenant `anonymous`."""

    auth: Literal["required", "none"] = "required"
    edge: Edge = Edge()
    cache: Cache = Cache()
    ratelimit: RateLimit = RateLimit()
    audit: Audit = Audit()
    mesh: Mesh = Mesh()
    providers: list[Provider] = []
    models: list[Model] = []
    pipelines: dict[str, list[PipelineStep]] = {}
    tenants: list[Tenant] = []
    authentication: Authentication = Authentication()
    telemetry: Telemetry = field(default_factory=Telemetry)
