"""Rules and experiments lead calls of OpenAI's own SDK through the whole mesh: who answers, who is told, what is kept."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import openai
import pytest
from real_mesh import ACME, Mesh, mesh_running

PICTURE = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
]
ROUTES = {
    "small": "words=1",
    "large": "words=2",
    "beta": "words=3",
    "seeing": "words=4",
    "old": "words=5",
    "new": "words=6",
}
MODELS = [
    *({"name": name, "targets": [{"provider": "sim", "model": model}]} for name, model in ROUTES.items()),
    {
        "name": "assistant",
        "targets": [{"provider": "sim", "model": "words=9"}],
        "rules": [
            {"when": "request.no.such.member == 1", "use": "small"},
            {"when": "'beta' in tags && tenant == 'acme'", "use": "beta"},
            {"when": "'vision' in features", "use": "seeing"},
            {"when": "size > 5000 || tokens > 100000", "use": "large"},
            {"when": "stream", "use": "trial"},
        ],
    },
    {
        "name": "trial",
        "experiment": {
            "name": "tone",
            "arms": [{"name": "old", "use": "old", "weight": 3}, {"name": "new", "use": "new"}],
        },
    },
]


@pytest.fixture(scope="module")
def led() -> Iterator[Mesh]:
    with mesh_running(models=MODELS) as running:
        yield running


@pytest.fixture
def client(led: Mesh) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{led.url}/v1", api_key=ACME, max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, model: str, content: Any = None, *, tags: str = "", **members: Any) -> Any:
    """One call to its end, with its headers."""
    messages: Any = [{"role": "user", "content": content or f"Hello {uuid4()}"}]
    headers = {"x-runestone-tags": tags} if tags else {}
    answer = client.chat.completions.with_raw_response.create(
        model=model, messages=messages, extra_headers=headers, **members
    )
    for _ in answer.parse() if members.get("stream") else ():
        pass
    return answer.headers


@pytest.mark.parametrize(
    ("route", "content", "members"),
    [
        ("assistant", None, {}),
        ("beta", None, {"tags": "beta,nightly"}),
        ("beta", PICTURE, {"tags": "beta"}),
        ("seeing", PICTURE, {}),
        ("large", "x" * 6000, {}),
    ],
)
def test_the_first_rule_that_holds_decides_who_answers(
    led: Mesh, client: openai.OpenAI, route: str, content: Any, members: dict[str, Any]
) -> None:
    headers = ask(client, "assistant", content, **members)
    assert headers["x-runestone-model"] == ROUTES.get(route, "words=9")
    assert headers.get("x-runestone-route", "assistant") == route
    record = led.audit(headers["x-request-id"])
    assert (record.model, record.route, record.experiment, record.why) == ("assistant", route, "", "only")


def test_a_stream_is_led_over_a_rule_to_an_arm(led: Mesh, client: openai.OpenAI) -> None:
    headers = ask(client, "assistant", stream=True, user="ada")
    experiment, _, arm = headers["x-runestone-experiment"].partition("=")
    assert (experiment, headers["x-runestone-model"], headers["x-runestone-route"]) == ("tone", ROUTES[arm], arm)
    record = led.audit(headers["x-request-id"])
    assert (record.route, record.experiment, record.arm) == (arm, "tone", arm)
    (line,) = led.command("audit", "search", "--request-id", record.request_id)
    assert (line["route"], line["experiment"], line["arm"], line["failed_attempts"]) == (arm, "tone", arm, [])


def test_a_user_stays_in_an_arm_and_over_many_users_shares_are_the_weights(client: openai.OpenAI) -> None:
    users = [f"user-{number}" for number in range(120)]
    arms = {user: ask(client, "trial", user=user)["x-runestone-experiment"] for user in users}
    counts = Counter(arms.values())
    assert counts.keys() == {"tone=old", "tone=new"} and 72 <= counts["tone=old"] <= 108
    for user in users[:20]:
        assert ask(client, "trial", user=user)["x-runestone-experiment"] == arms[user]


def test_models_that_lead_on_are_listed_as_all_others(client: openai.OpenAI) -> None:
    assert {"assistant", "trial", *ROUTES} <= {model.id for model in client.models.list()}


def test_the_cache_does_not_mix_arms(client: openai.OpenAI) -> None:
    """`user` is no part of a question's key, the route is."""
    content, seen = f"Hello {uuid4()}", dict[str, str]()
    for number in range(40):
        headers = ask(client, "trial", content, user=f"user-{number}", temperature=0)
        arm = headers["x-runestone-experiment"].partition("=")[2]
        assert headers["x-runestone-model"] == ROUTES[arm]
        assert headers["x-runestone-route"] == arm
        if arm in seen:
            assert headers["x-cache"] == "HIT"
        seen[arm] = headers["x-cache"]
    assert seen.keys() == {"old", "new"}


def test_bytes_that_are_sent_again_count_for_their_arm_every_time(led: Mesh, client: openai.OpenAI) -> None:
    content = f"Hello {uuid4()}"
    answers = [ask(client, "trial", content, user="eve", temperature=0) for _ in range(6)]
    assert len({answer["x-runestone-experiment"] for answer in answers}) == 1
    arm = answers[0]["x-runestone-experiment"].partition("=")[2]
    record = led.audit(answers[-1]["x-request-id"])
    assert (record.cache, record.route, record.experiment, record.arm) == ("HIT", arm, "tone", arm)


async def test_operators_see_arms_and_rules_that_fail(led: Mesh, client: openai.OpenAI) -> None:
    arm = ask(client, "trial", user="eve")["x-runestone-experiment"].partition("=")[2]
    ask(client, "assistant")
    async with aiohttp.ClientSession() as session, session.get(f"{led.admin_url}/metrics") as answer:
        metrics = await answer.text()
    assert f'runestone_experiment_calls_total{{arm="{arm}",experiment="tone"' in metrics
    assert 'runestone_rule_failures_total{model="assistant"' in metrics
    assert led.log.read_text().count("a rule cannot be computed") == 1
