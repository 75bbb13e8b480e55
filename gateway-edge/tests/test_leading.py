"""Rules and experiments in the edge: what the call, its client and its record are told, and what is not remembered."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from chassis.config import Catalog, Route
from chassis.config.models import Arm, Experiment, Model, Rule, Target
from chassis.config.providers import Provider
from chassis.errors import Reason, RunestoneError
from chassis.metrics import Metrics
from gateway_edge.audit_record import describe_call
from gateway_edge.call import Call
from gateway_edge.callers.scopes import Scope
from gateway_edge.callers.tenants import Principal
from gateway_edge.door.call_span import _describe_way
from gateway_edge.door.metrics import EdgeMetrics
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.validate import Validate
from gateway_edge.question.leading import Leading, RuleFailures

MODELS = ("plain", "smart", "picture", "a", "b")


def arms(*uses: str) -> list[Arm]:
    return [Arm(name=f"to-{use}", use=use) for use in uses]


def model(name: str, *rules: tuple[str, str], experiment: Experiment | None = None) -> Model:
    led = [Rule(when=when, use=use) for when, use in rules]
    return Model(name=name, targets=[Target(provider="sim", model=name)], rules=led, experiment=experiment)


LEADING = (
    model(
        "fast",
        ("request.nothing.at.all", "plain"),
        ("'beta' in tags", "smart"),
        ("'vision' in features", "picture"),
        ("has(request.language)", "a"),
    ),
    model("trial", experiment=Experiment(name="tone", arms=arms("a", "b"))),
    model("lots", experiment=Experiment(name="lots", unit="call", arms=arms("a", "b"))),
)


class Edge:
    """`validate` over rules and experiments, for one key."""

    def __init__(self, make_call: Callable[..., Call], log: Any) -> None:
        catalog = Catalog([*LEADING, *map(model, MODELS)], [Provider(name="sim", kind="simulated")])
        self.metrics = Metrics()
        policy: Any = SimpleNamespace(catalog=catalog, settings=SimpleNamespace(models=LEADING))
        leading = Leading.of(policy, RuleFailures(self.metrics, log))
        self.validate = Validate(catalog, is_strict=False, leading=leading)
        self._make_call = make_call
        self.key = Principal(tenant="acme", key="ci", limits=())

    async def ask(
        self, body: bytes, *, call_id: str = "req_1", cause: str = "", endpoint: str = "", **made: Any
    ) -> Call:
        call = self._make_call(body, is_bare=True, endpoint=ENDPOINTS[endpoint or "/v1/chat/completions"], **made)
        call.id, call.cause, call.principal, call.is_repeatable = call_id, cause, self.key, True

        async def end(call: Call) -> None:
            """What comes behind is somebody else's."""

        await self.validate(call, end)
        return call


class Log:
    def __init__(self) -> None:
        self.warnings: list[dict[str, Any]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.warnings.append(fields)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def edge(make_call: Callable[..., Call], log: Log) -> Edge:
    return Edge(make_call, log)


def body(model: str, content: object = "hi", **members: Any) -> bytes:
    return orjson.dumps({"model": model, "messages": [{"role": "user", "content": content}], **members})


PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
BETA = {"x-runestone-tags": "beta"}


@pytest.mark.parametrize(
    ("asked", "headers", "route"),
    [
        (body("fast"), {}, "fast"),
        (body("fast"), BETA, "smart"),
        (body("fast", PICTURE), {}, "picture"),
        (body("fast", PICTURE), BETA, "smart"),
        (body("plain"), BETA, "plain"),
    ],
)
async def test_a_rule_decides_which_route_answers(
    edge: Edge, asked: bytes, headers: dict[str, str], route: str
) -> None:
    call = await edge.ask(asked, headers=headers)
    public = orjson.loads(asked)["model"]
    assert (call.asked.route.name, call.asked.public.name, call.asked.view.model) == (route, public, public)
    assert call.asked.led_to == (route if route != public else "")
    assert call.reply.headers.get("x-runestone-route", public) == route
    assert "x-runestone-experiment" not in call.reply.headers


async def test_the_target_of_the_other_route_is_the_one_that_may_be_kept(edge: Edge) -> None:
    call = await edge.ask(body("fast"), headers=BETA)
    call.outcome.provider, call.outcome.provider_model = "sim", "smart"
    assert call.asked.is_target(call.outcome)
    call.outcome.provider_model = "fast"
    assert not call.asked.is_target(call.outcome)


async def test_a_key_needs_no_permission_for_where_its_model_leads(edge: Edge) -> None:
    edge.key = Principal(tenant="acme", key="ci", limits=(), scope=Scope(models=("fast",)))
    assert (await edge.ask(body("fast"), headers=BETA)).asked.route.name == "smart"
    with pytest.raises(RunestoneError) as refusal:
        await edge.ask(body("smart"))
    assert refusal.value.reason is Reason.MODEL_NOT_FOUND


async def test_an_arm_is_told_to_the_client_the_record_and_the_metrics(edge: Edge) -> None:
    call = await edge.ask(body("trial", user="ada"))
    (arm,) = {"a", "b"} & {call.asked.route.name}
    record = describe_call(call, 1.0)
    assert call.reply.headers["x-runestone-experiment"] == f"tone=to-{arm}"
    assert (record.model, record.route, record.experiment, record.arm) == ("trial", arm, "tone", f"to-{arm}")
    metrics = EdgeMetrics(edge.metrics)
    metrics.note_call(call, "/v1/chat/completions", 200, 0.1)
    metrics.counts_of("/v1/chat/completions", "trial", "repeat", "tone", f"to-{arm}").note(0.1)
    said = edge.metrics.exposition().decode()
    assert f'runestone_experiment_calls_total{{arm="to-{arm}",experiment="tone"}} 2.0' in said
    assert 'runestone_model_calls_total{model="trial",status="200"} 2.0' in said


@pytest.mark.parametrize("times", [1, 5])
async def test_bytes_that_came_before_are_led_by_what_this_call_says(edge: Edge, times: int) -> None:
    """They are not read again; where they lead depends on more than them."""
    for _ in range(times):
        assert (await edge.ask(body("fast"))).asked.route.name == "fast"
        assert (await edge.ask(body("fast"), headers=BETA)).asked.route.name == "smart"


async def test_what_is_noted_of_bytes_is_noted_by_route(edge: Edge) -> None:
    """The cache notes its key there, and two arms have two."""
    for _ in range(3):
        plain, led = await edge.ask(body("fast")), await edge.ask(body("fast"), headers=BETA)
    assert plain.asked.notes is not None and led.asked.notes is not None
    plain.asked.notes["key"] = "fast's"
    assert "key" not in led.asked.notes
    assert (await edge.ask(body("fast"))).asked.notes["key"] == "fast's"
    assert "key" not in (await edge.ask(body("fast"), headers=BETA)).asked.notes


async def test_calls_that_are_divided_one_by_one_are_no_repetitions(edge: Edge) -> None:
    calls = [await edge.ask(body("lots"), call_id=f"req_{number}") for number in range(64)]
    assert {call.asked.route.name for call in calls} == {"a", "b"}
    assert not any(call.is_repeatable for call in calls)
    assert (await edge.ask(body("trial", user="ada"))).is_repeatable


async def test_what_the_edge_asks_anew_for_a_call_is_in_that_calls_arm(edge: Edge) -> None:
    """A stale answer is replaced under the key that it was found by."""
    for number in range(16):
        first = await edge.ask(body("lots"), call_id=f"req_{number}")
        assert (await edge.ask(body("lots"), call_id="req_inner", cause=first.id)).asked.route == first.asked.route


async def test_a_user_stays_in_an_arm_and_many_are_in_all(edge: Edge) -> None:
    routes = {user: (await edge.ask(body("trial", user=user))).asked.route.name for user in map(str, range(64))}
    assert set(routes.values()) == {"a", "b"}
    for user, route in routes.items():
        assert (await edge.ask(body("trial", "later", user=user))).asked.route.name == route


async def test_a_rule_that_cannot_be_computed_is_counted_each_time_and_told_once(edge: Edge, log: Log) -> None:
    for number in range(3):
        assert (await edge.ask(body("fast", str(number)))).asked.route.name == "fast"
    (told,) = log.warnings
    assert (told["model"], told["rule"], told["when"]) == ("fast", 0, "request.nothing.at.all")
    assert 'runestone_rule_failures_total{model="fast"} 3.0' in edge.metrics.exposition().decode()


async def test_tags_that_are_none_are_refused(edge: Edge) -> None:
    with pytest.raises(RunestoneError) as refusal:
        await edge.ask(body("fast"), headers={"x-runestone-tags": "a b"})
    assert refusal.value.code == "invalid_tags"


async def test_of_a_form_rules_see_the_texts(edge: Edge) -> None:
    fields = {"model": "fast", "language": "en"}
    parts = [f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    sound = '--x\r\ncontent-disposition: form-data; name="file"; filename="f.mp3"\r\n\r\n\x01\r\n--x--\r\n'
    call = await edge.ask(
        ("".join(parts) + sound).encode(),
        endpoint="/v1/audio/transcriptions",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert call.asked.route.name == "a"


async def test_a_question_that_is_changed_to_one_that_leads_nowhere_forgets_where_it_was_led(edge: Edge) -> None:
    call = await edge.ask(body("trial"))
    assert call.outcome.experiment == "tone"
    call.body, call.document = body("plain"), orjson.loads(body("plain"))
    await edge.validate.ask(call)
    assert (call.asked.route.name, call.outcome.route, call.outcome.experiment) == ("plain", "", "")
    assert not [name for name in call.reply.headers if name.startswith("x-runestone")]


async def test_a_sampled_call_says_in_its_span_where_it_was_led(edge: Edge) -> None:
    call = await edge.ask(body("trial", user="ada"))
    said = _describe_way(call)
    assert (said["runestone.route"], said["runestone.experiment"]) == (call.outcome.route, "tone")
    assert said["runestone.arm"] == call.outcome.arm
    plain = _describe_way(await edge.ask(body("plain")))
    assert plain.keys().isdisjoint({"runestone.experiment", "runestone.arm"})


def test_without_rules_and_experiments_there_is_nobody_to_ask(catalog: Catalog, log: Any) -> None:
    policy: Any = SimpleNamespace(catalog=catalog, settings=SimpleNamespace(models=[model("plain")]))
    assert Leading.of(policy, RuleFailures(Metrics(), log)) is None
    assert isinstance(catalog.find_route("simulated"), Route)
