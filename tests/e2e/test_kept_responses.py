"""Responses that providers store, as OpenAI's own client asks for them: over two workers of one edge, and over two edges that share a
Redis."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import openai
import pytest
from fake_provider import FakeProvider
from real_mesh import ACME, LONE, OTHER, PRICES, Mesh, mesh_running

from chassis.testing import find_redis, free_port, redis_server
from runestone.introspection.v1.introspection_pb2 import GetStatusRequest
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceStub

NARROW, ASKING_ONLY, COUNTED = "narrow-key-0123456789", "asking-key-0123456789", "counted-key-0123456789"
TENANTS = [
    {
        "name": "acme",
        "keys": [
            {"name": "ci", "secret": ACME},
            {"name": "narrow", "secret": NARROW, "scopes": {"models": ["second/*"]}},
            {"name": "asking", "secret": ASKING_ONLY, "scopes": {"endpoints": ["/v1/responses"]}},
            {"name": "counted", "secret": COUNTED, "limits": {"requests_per_minute": 3}},
        ],
    },
    {"name": "other", "keys": [{"name": "ci", "secret": OTHER}]},
]
MODELS = [
    {"name": "pair", "targets": [{"provider": name, "model": "words=3"} for name in ("first", "second")]},
    {"name": "simulated", "targets": [{"provider": "sim", "model": "simulated"}]},
]

NUMBERS = itertools.count(1, 10_000)  # ids count requests: no two providers, of any test, may give the same


def configure(ports: list[int], **sections: Any) -> dict[str, Any]:
    first, second = ports
    timeouts = {"connect": "2s", "first_byte": "2s", "idle": "2s", "total": "20s"}
    makers = [("first", "openai", f"{first}/v1"), ("second", "openai", f"{second}/v1"), ("claude", "anthropic", first)]
    providers = [
        {
            "name": name,
            "kind": kind,
            **LONE,
            "base_url": f"http://127.0.0.1:{base}",
            "api_key": "upstream-secret",
            "timeouts": timeouts,
            "prices": PRICES,
        }
        for name, kind, base in makers
    ]
    return {
        "providers": [*providers, {"name": "sim", "kind": "simulated"}],
        "models": MODELS,
        "tenants": TENANTS,
        **sections,
    }


@dataclass(frozen=True)
class Place:
    """Doors of one truth, and the ports that its two providers are expected on."""

    meshes: list[Mesh]
    ports: list[int]

    def client(self, secret: str = ACME, door: int = 0) -> openai.AsyncOpenAI:
        """A client of its own connections, so that it may come to any worker."""
        url = f"{self.meshes[door % len(self.meshes)].url}/v1"
        return openai.AsyncOpenAI(base_url=url, api_key=secret, max_retries=0)


@contextmanager
def two_workers() -> Iterator[Place]:
    ports = [free_port(), free_port()]
    edge = {"workers": 2, "http": {"port": 0}, "admin": {"port": 0}, "websocket": {"port": 0}, "grpc": {"port": 0}}
    with mesh_running(**configure(ports, edge=edge)) as mesh:
        yield Place([mesh], ports)


@contextmanager
def two_edges(redis_url: str) -> Iterator[Place]:
    """Two whole meshes that have nothing in common but Redis and the providers."""
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        shared = configure(ports, cache={"store": redis_url})
        yield Place([stack.enter_context(mesh_running(**shared)) for _ in range(2)], ports)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    try:
        find_redis()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    runner, server = asyncio.Runner(), redis_server()
    with runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="module", params=["two workers, memory", "two edges, redis"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    opening = two_workers() if "memory" in request.param else two_edges(request.getfixturevalue("redis_url"))
    with opening as opened:
        yield opened


@pytest.fixture
async def fakes(place: Place) -> AsyncIterator[list[FakeProvider]]:
    async with FakeProvider(place.ports[0]) as first, FakeProvider(place.ports[1]) as second:
        for fake in (first, second):
            fake.requests = next(NUMBERS)
        yield [first, second]


@pytest.fixture
async def gpt(place: Place) -> AsyncIterator[openai.AsyncOpenAI]:
    async with place.client() as client:
        yield client


@pytest.fixture
async def elsewhere(place: Place) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same tenant's, at another edge where there is one."""
    async with place.client(door=1) as client:
        yield client


async def make(client: openai.AsyncOpenAI, model: str = "first/words=3", **members: Any) -> Any:
    return await client.responses.create(model=model, input="hello", **members)


async def stream(client: openai.AsyncOpenAI, model: str = "first/words=3", **members: Any) -> list[Any]:
    return [event async for event in await make(client, model, stream=True, **members)]


async def test_what_was_answered_can_be_read_again_at_any_edge(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, elsewhere: openai.AsyncOpenAI
) -> None:
    made = await make(gpt)
    streamed = (await stream(gpt))[-1].response
    for kept in (made, streamed):
        assert await elsewhere.responses.retrieve(kept.id) == kept
        assert kept.output_text == "rain ström 水"
    asked = fakes[0].exchanges[-1]
    assert (asked.method, asked.path, asked.body) == ("GET", f"/v1/responses/{streamed.id}", b"")
    assert asked.headers["authorization"] == "Bearer upstream-secret"


async def test_events_are_read_again_from_any_place(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, elsewhere: openai.AsyncOpenAI
) -> None:
    events = await stream(gpt)
    kept = events[-1].response.id
    assert [event async for event in await elsewhere.responses.retrieve(kept, stream=True)] == events
    rest = [event async for event in await elsewhere.responses.retrieve(kept, stream=True, starting_after=3)]
    assert rest == events[4:]
    included = await elsewhere.responses.retrieve(
        kept, include=["reasoning.encrypted_content", "file_search_call.results"]
    )
    assert included.id == kept
    assert fakes[0].exchanges[-1].query.keys() == {"include[]"}


async def test_what_a_response_answers_is_listed_in_pages(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, elsewhere: openai.AsyncOpenAI
) -> None:
    given: Any = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    kept = await gpt.responses.create(model="first/words=1", input=given)
    pages = elsewhere.responses.input_items.list(kept.id, limit=2, order="asc")
    texts = [item.content[0].text async for item in pages]  # type: ignore[union-attr]
    assert texts == ["one", "two", "three"]
    assert fakes[0].exchanges[-1].query == {"limit": "2", "order": "asc", "after": "item_fake1"}


async def test_what_is_deleted_is_gone(fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, place: Place) -> None:
    kept = await make(gpt)
    await gpt.responses.delete(kept.id)
    assert fakes[0].memory.responses == {}
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{kept.id}' not found"):
        await gpt.responses.retrieve(kept.id)


async def test_what_runs_in_the_background_is_cancelled_at_any_edge(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, elsewhere: openai.AsyncOpenAI
) -> None:
    kept = await make(gpt, background=True)
    assert kept.status == "queued"
    assert (await elsewhere.responses.cancel(kept.id)).status == "cancelled"
    assert (await gpt.responses.retrieve(kept.id)).status == "cancelled"
    cancelled = next(each for each in fakes[0].exchanges if each.path.endswith("/cancel"))
    assert (cancelled.method, cancelled.body) == ("POST", b"")
    synchronous = await make(gpt)
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        await gpt.responses.cancel(synchronous.id)


async def test_a_stream_in_the_background_is_known_from_its_first_event_on(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, elsewhere: openai.AsyncOpenAI
) -> None:
    running = await make(gpt, "first/words=20,pace=50ms", stream=True, background=True)
    first = await anext(running)
    assert (await elsewhere.responses.retrieve(first.response.id)).status == "in_progress"
    assert (await elsewhere.responses.cancel(first.response.id)).status == "cancelled"
    await running.close()


async def test_a_conversation_stays_with_the_provider_that_has_it(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, elsewhere: openai.AsyncOpenAI
) -> None:
    """Whatever the weights of the model's targets say."""
    began = [await make(gpt, "pair") for _ in range(8)]
    homes = {kept.id: [kept.id in fake.memory.responses for fake in fakes] for kept in began}
    for kept in began:
        goes_on = await make(elsewhere, "pair", previous_response_id=kept.id)
        assert goes_on.previous_response_id == kept.id
        assert [goes_on.id in fake.memory.responses for fake in fakes] == homes[kept.id]
        (end,) = (await stream(elsewhere, "pair", previous_response_id=goes_on.id))[-1:]
        assert end.type == "response.completed"


@pytest.mark.parametrize("why", ["unknown", "another tenant's", "of a model at another provider"])
async def test_nobody_goes_on_with_what_is_not_there(
    place: Place, fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, why: str
) -> None:
    """Not even the provider hears of it."""
    async with place.client(OTHER) as other:
        kept = (await make(other if "tenant" in why else gpt)).id if why != "unknown" else "resp_unknown"
    before = [fake.requests for fake in fakes]
    model = "second/words=3" if "provider" in why else "first/words=3"
    with pytest.raises(openai.BadRequestError) as refused:
        await make(gpt, model, previous_response_id=kept)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
    assert refused.value.body["message"] == f"Previous response with id '{kept}' not found."  # type: ignore[index]
    assert [fake.requests for fake in fakes] == before


Ask = Callable[[openai.AsyncOpenAI, str], Any]
ASKING: dict[str, Ask] = {
    "retrieve": lambda it, kept: it.responses.retrieve(kept),
    "stream": lambda it, kept: it.responses.retrieve(kept, stream=True),
    "delete": lambda it, kept: it.responses.delete(kept),
    "cancel": lambda it, kept: it.responses.cancel(kept),
    "input_items": lambda it, kept: it.get(f"/responses/{kept}/input_items", cast_to=object),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
async def test_a_strangers_response_is_not_there(
    place: Place, fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, ask: Ask
) -> None:
    """In the very words for one that nobody has, and the provider hears of neither."""
    kept = (await make(gpt, background=True)).id
    before, said = fakes[0].requests, set()
    for secret, asked in ((OTHER, kept), (OTHER, "resp_nobody"), (NARROW, kept)):
        async with place.client(secret, door=1) as stranger:
            with pytest.raises(openai.NotFoundError) as refused:
                await ask(stranger, asked)
        said.add(str(refused.value.body).replace(asked, "ID"))
    assert len(said) == 1
    async with place.client(ASKING_ONLY) as asking_only:
        with pytest.raises(openai.PermissionDeniedError):
            await ask(asking_only, kept)
    assert fakes[0].requests == before


@pytest.mark.parametrize("model", ["claude/words=3", "simulated"])
@pytest.mark.parametrize("members", [{}, {"stream": True}])
async def test_what_was_translated_is_kept_nowhere(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, model: str, members: Any
) -> None:
    made = (await stream(gpt, model))[-1].response if members else await make(gpt, model)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        await make(gpt, model, previous_response_id=made.id)


async def test_what_was_not_to_be_stored_is_not_found(fakes: list[FakeProvider], gpt: openai.AsyncOpenAI) -> None:
    made = await make(gpt, store=False)
    with pytest.raises(openai.NotFoundError):
        await gpt.responses.retrieve(made.id)


async def test_each_reading_is_on_record_and_costs_nothing(
    place: Place, fakes: list[FakeProvider], gpt: openai.AsyncOpenAI
) -> None:
    made = await gpt.responses.with_raw_response.create(model="first/words=3", input="hello")
    kept = made.parse().id
    read = await gpt.responses.with_raw_response.retrieve(kept)
    assert (read.headers["x-runestone-cost"], read.headers["x-runestone-provider"]) == ("0", "first")
    assert {"find_stored", "rate_limit", "call"} <= {
        part.partition(";")[0] for part in read.headers["server-timing"].split(", ")
    }
    assert "x-cache" not in read.headers
    billed, record = (place.meshes[0].audit(answer.headers["x-request-id"]) for answer in (made, read))
    assert billed.usage.output_tokens == 3 and billed.HasField("cost")
    assert (record.status, record.endpoint, record.model) == (200, f"/v1/responses/{kept}", "first/words=3")
    assert (record.provider, record.attempts) == ("first", 1)
    assert not record.HasField("usage") and not record.HasField("cost")


async def test_readings_count_against_limits(place: Place, fakes: list[FakeProvider]) -> None:
    async with place.client(COUNTED) as counted:
        kept = (await make(counted)).id
        for _ in range(2):
            await counted.responses.retrieve(kept)
        with pytest.raises(openai.RateLimitError):
            await counted.responses.retrieve(kept)


@pytest.mark.parametrize(
    ("query", "param"), [({"colour": "red"}, "colour"), ({"limit": "2"}, "limit"), ({"stream": "maybe"}, "stream")]
)
async def test_a_parameter_that_is_unknown_is_refused(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, query: Any, param: str
) -> None:
    kept = (await make(gpt)).id
    before = fakes[0].requests
    with pytest.raises(openai.BadRequestError) as refused:
        await gpt.responses.retrieve(kept, extra_query=query)
    assert refused.value.param == param and fakes[0].requests == before


@pytest.mark.parametrize(
    ("wish", "kind"),
    [
        ("status=500", openai.InternalServerError),
        ("status=429,retry_after_ms=10", openai.RateLimitError),
        ("hang=headers", openai.InternalServerError),
        ("cut=20", openai.InternalServerError),
        ("status=401", openai.InternalServerError),
    ],
)
async def test_what_goes_wrong_in_reading_is_told_as_anywhere(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI, wish: str, kind: type[openai.APIStatusError]
) -> None:
    kept = (await make(gpt)).id
    fakes[0].script(wish)
    with pytest.raises(kind) as failed:
        await gpt.responses.retrieve(kept)
    assert "upstream-secret" not in str(failed.value.body)


async def test_a_stream_that_is_cut_in_reading_never_looks_whole(
    fakes: list[FakeProvider], gpt: openai.AsyncOpenAI
) -> None:
    kept = (await make(gpt)).id
    fakes[0].script("cut_events=3")
    async with gpt.responses.with_streaming_response.retrieve(kept, stream=True) as answer:
        text = await answer.text()
    assert text.count("event: response.") == 3 and "response.completed" not in text
    assert text.rpartition("event: ")[2].startswith("error\ndata: ") and '"sequence_number":3' in text


async def test_azures_client_finds_its_responses(place: Place, fakes: list[FakeProvider]) -> None:
    azure = openai.AsyncAzureOpenAI(
        azure_endpoint=place.meshes[0].url, api_key=ACME, api_version="2025-03-01-preview", max_retries=0
    )
    async with azure:
        kept = await make(azure)
        assert await azure.responses.retrieve(kept.id) == kept
        await azure.responses.delete(kept.id)


def process_id(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        status = IntrospectionServiceStub(channel).GetStatus(GetStatusRequest(), timeout=5, wait_for_ready=True)
        return int(status.process_id)


@pytest.fixture
def fragile() -> Iterator[Place]:
    """One mesh, whose state is in memory."""
    ports = [free_port(), free_port()]
    with mesh_running(**configure(ports)) as mesh:
        yield Place([mesh], ports)


@pytest.fixture
def changing() -> Iterator[Place]:
    """A mesh that changes requests and answers, and takes no member that it does not know."""
    change = {
        "request": [{"system_prompt": {"prefix": "Be kind."}}],
        "response": [
            {"redact": {"pattern": "ström", "with": "[hidden]"}},
            {"header": {"set": {"x-seen-by": "{tenant}"}}},
        ],
    }
    steps = [
        "authenticate",
        {"transform": change},
        {"validate": {"strict": True}},
        "idempotency",
        "rate_limit",
        "cache",
    ]
    ports = [free_port(), free_port()]
    with mesh_running(**configure(ports, pipelines={"default": steps})) as mesh:
        yield Place([mesh], ports)


async def test_a_pipeline_does_to_what_is_read_again_what_it_does_to_answers(changing: Place) -> None:
    async with FakeProvider(changing.ports[0]) as fake, changing.client() as gpt:
        made = await make(gpt, background=True)
        read = await gpt.responses.with_raw_response.retrieve(made.id)
        assert (read.parse().output_text, read.headers["x-seen-by"]) == ("rain [hidden] 水", "acme")
        events = [event async for event in await gpt.responses.retrieve(made.id, stream=True)]
        assert events[-1].response.output_text == "rain [hidden] 水"
        key = {"idempotency-key": "k"}
        assert (await gpt.responses.cancel(made.id, extra_headers=key)).status == "cancelled"
        assert [each.body for each in list(fake.exchanges)[1:]] == [b""] * 3


async def test_while_nobody_can_say_who_has_a_response_it_is_503_and_afterwards_404(fragile: Place) -> None:
    """cache-svc hangs, and is then killed: what it had in memory is gone. Answers come all the while."""
    cache = process_id(fragile.meshes[0].about["services"]["cache"])
    async with FakeProvider(fragile.ports[0]), fragile.client() as gpt:
        kept = (await make(gpt)).id
        assert (await gpt.responses.retrieve(kept)).id == kept
        os.kill(cache, signal.SIGSTOP)
        with pytest.raises(openai.InternalServerError) as refused:
            await gpt.responses.retrieve(kept)
        assert (refused.value.status_code, refused.value.code) == (503, "stored_responses_unavailable")
        assert refused.value.response.headers["retry-after"] == "1"
        assert (await make(gpt)).status == "completed"
        os.kill(cache, signal.SIGKILL)
        async with asyncio.timeout(20):
            while (status := await status_of(gpt, kept)) == 503:
                await asyncio.sleep(0.1)
        assert status == 404


async def status_of(gpt: openai.AsyncOpenAI, kept: str) -> int:
    try:
        await gpt.responses.retrieve(kept)
    except openai.APIStatusError as error:
        return error.status_code
    return 200
