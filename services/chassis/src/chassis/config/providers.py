"""The configuration's `providers`: who is called, with which keys, how patiently, over which connections."""

from typing import Annotated, Literal

from msgspec import Meta

from chassis.config.prices import ModelPrices
from chassis.config.section import Count, Name, Section
from chassis.config.units import Duration, ProxyUrl, Secret


class Timeouts(Section, frozen=True, kw_only=True):
    """How long a provider may take to accept a connection, to send its answer's head (absent: as long as the first byte), the first byte
    of the answer's body, between two bytes, in all."""

    connect: Duration = Duration(5)
    header: Duration | None = None
    first_byte: Duration = Duration(60)
    idle: Duration = Duration(60)
    total: Duration = Duration(600)


class Retries(Section, frozen=True, kw_only=True):
    """How often a call that failed before its first byte is tried again here, when no other target is left. The pause before is drawn
    below `backoff`, which doubles up to `max_backoff`; a provider's own hint is kept to the millisecond, when it is not above `max_hint`."""

    attempts: Annotated[int, Meta(ge=0, le=10)] = 1
    backoff: Duration = Duration(0.1)
    max_backoff: Duration = Duration(2)
    max_hint: Duration = Duration(5)


class Breaker(Section, frozen=True, kw_only=True):
    """When a target is left alone: after `failures` in a row, for `pause`, which doubles up to `max_pause` each time that none of its
    `probes` calls is answered then."""

    failures: Count = 5
    pause: Duration = Duration(2)
    max_pause: Duration = Duration(60)
    probes: Count = 1


class Ejection(Section, frozen=True, kw_only=True):
    """When a target that fails now and then is left alone for `pause`: at least `calls` of it ended within `interval`, of which `share`
    failed."""

    share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    calls: Count = 20
    interval: Duration = Duration(10)
    pause: Duration = Duration(10)


class ApiKey(Section, frozen=True, kw_only=True):
    """One of several keys of a provider. All of them are of one account, as far as the provider keeps anything."""

    name: Name
    key: Secret
    weight: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class Concurrency(Section, frozen=True, kw_only=True):
    """How many calls run at once with one key. `adaptive`: less, down to `min`, while the provider refuses some (429, 529) or takes much
    longer than usual to begin. At most `queue` calls wait for their turn."""

    max: Count = 4_096
    min: Count = 32
    queue: Annotated[int, Meta(ge=0, le=1_000_000)] = 8_192
    adaptive: bool = True


class Connections(Section, frozen=True, kw_only=True):
    """The pool: at most `max` connections, kept `idle` for the next call and used up to an `age`; `warm` are opened ahead. Names are looked
    up anew after `dns_ttl`. `http2`: calls share connections where the server offers it with TLS."""

    max: Count = 4_096
    warm: Annotated[int, Meta(ge=0, le=1_024)] = 0
    idle: Duration = Duration(30)
    age: Duration = Duration(600)
    dns_ttl: Duration = Duration(30)
    http2: bool = False


class Batching(Section, frozen=True, kw_only=True):
    """Calls that hold one input each, asked together: those that come within `window` of the first, at most `max_items`. A window of 0
    asks each alone."""

    window: Duration = Duration(0)
    max_items: Annotated[int, Meta(ge=2, le=2_048)] = 64


class Simulation(Section, frozen=True, kw_only=True):
    """How the simulated provider behaves: the time before its first byte, the pause between two events, how many words
    it answers, and the HTTP status it fails with (0: it does not fail)."""

    latency: Duration = Duration(0)
    pace: Duration = Duration(0)
    words: Annotated[int, Meta(ge=1, le=100_000)] = 24
    status: Annotated[int, Meta(ge=0, le=599)] = 0


DialectName = Literal[
    "chat",
    "responses",
    "messages",
    "count_tokens",
    "completions",
    "embeddings",
    "moderations",
    "images",
    "image_edits",
    "speech",
    "transcriptions",
    "translations",
    "rerank",
]


class Provider(Section, frozen=True, kw_only=True):
    """One provider. `preset` names a server that is known (`chassis.config.presets`), of kind `openai_compatible`. `base_url` is what
    the maker's SDK has; only the operator names addresses, never a client. `dialects` are what it speaks itself; absent: what is
    known of it. `ca` is a PEM file of authorities to trust instead of the system's; `proxy` an HTTP proxy to go through, for
    the environment's is never used. `api_keys` take turns, beside `api_key` where that stands too. Of `prices` the first that fits holds;
    a model that none fits costs nothing where `price` is `free`, else what is known of the provider's."""

    name: Name
    kind: Literal["openai", "anthropic", "openai_compatible", "simulated"]
    preset: str = ""
    base_url: str = ""
    api_key: Secret | None = None
    api_keys: list[ApiKey] = []
    dialects: list[DialectName] = []
    timeouts: Timeouts = Timeouts()
    ca: str = ""
    proxy: ProxyUrl | None = None
    retries: Retries = Retries()
    breaker: Breaker = Breaker()
    ejection: Ejection = Ejection()
    concurrency: Concurrency = Concurrency()
    connections: Connections = Connections()
    batching: Batching = Batching()
    simulation: Simulation = Simulation()
    price: Literal["free"] | None = None
    prices: list[ModelPrices] = []
