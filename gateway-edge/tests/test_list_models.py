"""Models are listed as the caller's client reads them."""

from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from anthropic.types import ModelInfo
from openai.types import Model as OpenAiModel

from chassis.config import Catalog
from chassis.config.models import Arm, Experiment, Model, Target
from chassis.config.providers import Provider
from chassis.config.schema import Scopes
from chassis.errors import RunestoneError
from gateway_edge.call import Call
from gateway_edge.callers.scopes import UNBOUNDED, Scope
from gateway_edge.callers.tenants import Principal
from gateway_edge.middleware.list_models import ListModels

CREATED = 1_800_000_000.5
ANTHROPIC = {"anthropic-version": "2023-06-01"}
NAMES = ("fast", "smart", "wild/*")


@pytest.fixture
def ask(make_call: Callable[..., Call]) -> Callable[..., Any]:
    async def go(
        model: str = "", *, headers: Any = None, names: tuple[str, ...] = NAMES, scope: Scope = UNBOUNDED
    ) -> Any:
        target = Target(provider="sim", model="simulated")
        catalog = Catalog(
            [Model(name=name, targets=[target]) for name in names], [Provider(name="sim", kind="simulated")]
        )
        call = make_call(is_bare=True, headers=headers)
        path = f"/v1/models/{model}" if model else "/v1/models"
        call.arrival = msgspec.structs.replace(call.arrival, method="GET", endpoint=path)
        call.principal = Principal(tenant="acme", key="ci", scope=scope)

        async def nobody(call: Call) -> None:
            raise AssertionError("it is the last")

        await ListModels(catalog, CREATED)(call, nobody)
        return orjson.loads(call.reply.body)

    return go


async def test_openais_client_reads_its_own_shape(ask: Callable[..., Any]) -> None:
    answer = await ask()
    models = [OpenAiModel.model_validate(model) for model in answer["data"]]
    assert [(model.id, model.created, model.owned_by) for model in models] == [
        ("fast", 1_800_000_000, "sim"),
        ("smart", 1_800_000_000, "sim"),
    ]


@pytest.mark.parametrize("headers", [{}, ANTHROPIC])
async def test_a_model_that_only_an_experiment_answers_for_is_listed(
    make_call: Callable[..., Call], headers: Any
) -> None:
    arms = [Arm(name="a", use="fast"), Arm(name="b", use="fast")]
    catalog = Catalog([Model(name="trial", experiment=Experiment(name="tone", arms=arms))], [])
    call = make_call(is_bare=True, headers=headers)
    call.arrival = msgspec.structs.replace(call.arrival, method="GET", endpoint="/v1/models")
    call.principal = Principal(tenant="acme", key="ci")
    await ListModels(catalog, CREATED)(call, call.reply.send)
    (model,) = orjson.loads(call.reply.body)["data"]
    assert (model["id"], model.get("owned_by", "runestone")) == ("trial", "runestone")


async def test_anthropics_client_reads_its_own_shape(ask: Callable[..., Any]) -> None:
    answer = await ask(headers=ANTHROPIC)
    models = [ModelInfo.model_validate(model) for model in answer.pop("data")]
    assert [(model.id, model.display_name, model.created_at.timestamp()) for model in models] == [
        ("fast", "fast", 1_800_000_000),
        ("smart", "smart", 1_800_000_000),
    ]
    assert answer == {"has_more": False, "first_id": "fast", "last_id": "smart"}


async def test_one_model_is_described_alike(ask: Callable[..., Any]) -> None:
    assert OpenAiModel.model_validate(await ask("wild%2Fone")).id == "wild/one"
    assert ModelInfo.model_validate(await ask("wild/one", headers=ANTHROPIC)).id == "wild/one"


async def test_a_list_of_none_names_no_ends(ask: Callable[..., Any]) -> None:
    assert await ask(headers=ANTHROPIC, names=()) == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize("headers", [{}, ANTHROPIC])
async def test_only_what_the_key_may_use_is_there_in_either_shape(ask: Callable[..., Any], headers: Any) -> None:
    scope = Scope.of([Scopes(models=["smart"])])
    assert [model["id"] for model in (await ask(headers=headers, scope=scope))["data"]] == ["smart"]
    with pytest.raises(RunestoneError, match="does not exist"):
        await ask("fast", headers=headers, scope=scope)
