"""Which pipeline a call takes: what the key, the model and the tenant say, and what the caller may ask for."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from chassis.config import Catalog
from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.callers.tenants import ADMIN, Principal
from gateway_edge.door.errors import error_body, http_status
from gateway_edge.middleware.authenticate import Authenticate
from gateway_edge.middleware.base import Pipeline, Proceed
from gateway_edge.middleware.choose import Choose

NAMES = ("default", "streaming", "cached", "mine", "of-model")


@dataclass
class Last:
    """The end of a pipeline: notes which it was."""

    name: str
    arrived: list[str] = field(default_factory=list)

    async def __call__(self, call: Call, proceed: Proceed) -> None:
        self.arrived.append(self.name)


async def choose(call: Call, principal: Principal | None, catalog: Catalog, models: dict[str, str]) -> list[str]:
    """The pipelines that a call ran through."""
    arrived: list[str] = []
    pipelines = {name: Pipeline([Last(name, arrived)]) for name in NAMES}
    pipelines["admin"] = Pipeline([Authenticate(admin=True), Last("admin", arrived)])
    call.principal = principal
    await Pipeline([Choose(pipelines, catalog, models)])(call)
    assert arrived == [call.pipeline]
    return arrived


def bare(make_call: Callable[..., Call], wanted: str | None = None, body: bytes | None = None) -> Call:
    headers = {} if wanted is None else {"x-runestone-pipeline": wanted}
    return make_call(headers=headers, is_bare=True) if body is None else make_call(body, headers=headers, is_bare=True)


@pytest.mark.parametrize(
    ("principal", "models", "expected"),
    [
        (Principal(tenant="acme", key="ci"), {}, "default"),
        (Principal(tenant="acme", key="ci", pipeline="cached"), {}, "cached"),
        (Principal(tenant="acme", key="ci", pipeline="cached"), {"simulated": "of-model"}, "of-model"),
        (Principal(tenant="acme", key="ci", pipeline="cached"), {"another": "of-model"}, "cached"),
        (Principal(tenant="acme", key="ci", pipeline="cached", key_pipeline="mine"), {"simulated": "of-model"}, "mine"),
    ],
    ids=["default", "tenant over default", "model over tenant", "another model", "key over model"],
)
async def test_the_key_says_more_than_the_model_and_the_model_more_than_the_tenant(
    make_call: Callable[..., Call], catalog: Catalog, principal: Principal, models: dict[str, str], expected: str
) -> None:
    assert await choose(bare(make_call), principal, catalog, models) == [expected]


@pytest.mark.parametrize("wanted", ["streaming", "mine"])
async def test_the_header_chooses_what_the_scopes_allow_over_everything_else(
    make_call: Callable[..., Call], catalog: Catalog, wanted: str
) -> None:
    principal = Principal(tenant="acme", key="ci", key_pipeline="cached", choosable=frozenset({"streaming", "mine"}))
    assert await choose(bare(make_call, wanted), principal, catalog, {"simulated": "of-model"}) == [wanted]


async def test_naming_the_pipeline_that_applies_anyway_needs_no_permission(
    make_call: Callable[..., Call], catalog: Catalog
) -> None:
    principal = Principal(tenant="acme", key="ci", pipeline="cached")
    assert await choose(bare(make_call, "cached"), principal, catalog, {}) == ["cached"]


@pytest.mark.parametrize("wanted", ["streaming", "admin", "nonsense", "", "Default"])
async def test_a_pipeline_that_may_not_be_chosen_is_a_403_that_does_not_say_whether_it_exists(
    make_call: Callable[..., Call], catalog: Catalog, wanted: str
) -> None:
    principal = Principal(tenant="acme", key="ci", choosable=frozenset({"cached", "nonsense"}))
    with pytest.raises(RunestoneError) as refused:
        await choose(bare(make_call, wanted), principal, catalog, {})
    assert http_status(refused.value) == 403
    assert b'"code":"pipeline_not_allowed"' in error_body(refused.value)
    assert refused.value.message == f"you may not choose the pipeline {wanted!r}, or it does not exist"


async def test_the_admin_key_may_choose_every_pipeline_and_takes_its_own_without(
    make_call: Callable[..., Call], catalog: Catalog
) -> None:
    for wanted in (*NAMES, "admin"):
        assert await choose(bare(make_call, wanted), ADMIN, catalog, {}) == [wanted]
    assert await choose(bare(make_call), ADMIN, catalog, {}) == ["admin"]


async def test_a_key_that_may_name_the_admin_pipeline_is_still_refused_by_it(
    make_call: Callable[..., Call], catalog: Catalog
) -> None:
    """What may be chosen is not who one is."""
    principal = Principal(tenant="acme", key="ci", choosable=frozenset({"admin"}))
    with pytest.raises(RunestoneError) as refused:
        await choose(bare(make_call, "admin"), principal, catalog, {})
    assert refused.value.reason is Reason.PERMISSION_DENIED


async def test_nobody_takes_the_default_whatever_the_header_says(
    make_call: Callable[..., Call], catalog: Catalog
) -> None:
    """`authenticate` stands first in it: who is nobody learns nothing else."""
    assert await choose(bare(make_call, "admin"), None, catalog, {"simulated": "of-model"}) == ["default"]


@pytest.mark.parametrize(
    ("principal", "models", "is_read"),
    [
        (Principal(tenant="acme", key="ci"), {}, False),
        (Principal(tenant="acme", key="ci"), {"another": "of-model"}, True),
        (Principal(tenant="acme", key="ci", key_pipeline="mine"), {"simulated": "of-model"}, False),
        (None, {"simulated": "of-model"}, False),
    ],
    ids=["no model has one", "some model has one", "the key has one", "nobody"],
)
async def test_the_body_is_read_early_only_where_it_decides(
    make_call: Callable[..., Call], catalog: Catalog, principal: Principal | None, models: dict[str, str], is_read: bool
) -> None:
    call = bare(make_call)
    await choose(call, principal, catalog, models)
    assert (call.body is not None) is is_read


@pytest.mark.parametrize("body", [b'{"messages": []}', b'{"model": 5}', b'{"model": "unknown"}'])
async def test_a_body_without_a_model_that_is_known_takes_the_tenants(
    make_call: Callable[..., Call], catalog: Catalog, body: bytes
) -> None:
    """Whether it makes sense is for `validate` to say, in that pipeline."""
    principal = Principal(tenant="acme", key="ci", pipeline="cached")
    assert await choose(bare(make_call, body=body), principal, catalog, {"simulated": "of-model"}) == ["cached"]
