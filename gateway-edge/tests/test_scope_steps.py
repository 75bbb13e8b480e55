"""Where scopes are asked: before anything else is done, and nowhere is a forbidden model told from none."""

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
import pytest

from chassis.config import Catalog
from chassis.config.models import Model, Target
from chassis.config.providers import Provider
from chassis.config.schema import Key, Scopes, Tenant
from chassis.config.units import Secret
from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.api_key import ApiKey
from gateway_edge.call import Call
from gateway_edge.callers.tenants import Authority, principal_of
from gateway_edge.middleware.base import Pipeline
from gateway_edge.middleware.choose import Choose
from gateway_edge.middleware.identify import Identify
from gateway_edge.middleware.list_models import ListModels
from gateway_edge.middleware.validate import Validate

SECRET = "a-secret-of-enough-length"
SIM = Provider(name="sim", kind="simulated")
MODELS = [Model(name=name, targets=[Target(provider="sim", model=name)]) for name in ("simulated", "secret-model")]


def body(model: str) -> bytes:
    return orjson.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}]})


@pytest.fixture
def catalog() -> Catalog:
    return Catalog(MODELS, [SIM])


@pytest.fixture
def identify(make_call: Callable[..., Call]):
    """Sends a bare call with the key of a tenant with some scopes; the call, when it was let through."""

    async def send(scopes: Scopes, secret: str = SECRET, **key) -> Call:
        tenant = Tenant(name="acme", scopes=scopes, keys=[Key(name="ci", secret=Secret(SECRET), **key)])
        call = make_call(is_bare=True, headers={"authorization": f"Bearer {secret}"})

        async def arrive(_call: Call) -> None:
            pass

        try:
            await Identify([ApiKey(Authority([tenant]))], None)(call, arrive)
        finally:
            send.call = call
        return call

    return send


async def test_a_key_within_its_scopes_passes(identify):
    scopes = Scopes(endpoints=["/v1/chat/completions"], addresses=["127.0.0.0/8"])
    assert (await identify(scopes)).caller.key == "ci"


@pytest.mark.parametrize(
    ("scopes", "code"),
    [(Scopes(endpoints=["/v1/models"]), "endpoint_not_allowed"), (Scopes(addresses=["::1"]), "address_not_allowed")],
)
async def test_a_refused_call_is_its_tenants_on_record(identify, scopes, code):
    with pytest.raises(RunestoneError) as refused:
        await identify(scopes)
    assert (refused.value.reason, refused.value.code) == (Reason.PERMISSION_DENIED, code)
    assert identify.call.caller.tenant == "acme"


async def test_an_expired_key_is_401(identify, clock):
    with pytest.raises(RunestoneError) as refused:
        await identify(Scopes(), expires_at=datetime.fromtimestamp(clock.time(), UTC))
    assert (refused.value.reason, refused.value.code) == (Reason.AUTHENTICATION_FAILED, "expired_api_key")


async def test_a_model_out_of_scope_is_refused_as_one_that_does_not_exist(make_call, catalog, answering):
    said = []
    for model in ("secret-model", "no-such-model"):
        call = make_call(body(model), is_bare=True)
        call.principal = principal_of(Tenant(name="acme", scopes=Scopes(models=["simulated"])), Key(name="ci"))
        with pytest.raises(RunestoneError) as refused:
            await Validate(catalog, is_strict=False)(call, answering(b"{}"))
        error = refused.value
        said.append((error.reason, error.code, error.param, error.message.replace(model, "")))
    assert said[0] == said[1]
    assert said[0][0] is Reason.MODEL_NOT_FOUND


async def test_the_list_shows_what_the_key_may_use(make_call, catalog):
    for models, expected in (([], ["simulated", "secret-model"]), (["sim*"], ["simulated"]), (["none"], [])):
        call = make_call()
        call.principal = principal_of(Tenant(name="acme", scopes=Scopes(models=models)), Key(name="ci"))
        await ListModels(catalog, 0.0)(call, answering_nobody)
        assert [model["id"] for model in orjson.loads(call.reply.body)["data"]] == expected


async def test_a_model_out_of_scope_does_not_choose_its_pipeline(make_call, catalog):
    """The pipeline's own refusal would tell that there is such a model."""
    taken = []

    class Note:
        name = "note"

        async def __call__(self, call, proceed) -> None:
            taken.append(call.pipeline)

    pipelines = {name: Pipeline([Note()]) for name in ("default", "guarded")}
    choose = Choose(pipelines, catalog, {"secret-model": "guarded"})
    for models in ([], ["simulated"]):
        call = make_call(body("secret-model"), is_bare=True)
        call.principal = principal_of(Tenant(name="acme", scopes=Scopes(models=models)), Key(name="ci"))
        await choose(call, answering_nobody)
    assert taken == ["guarded", "default"]


async def answering_nobody(_call: Call) -> None:
    raise AssertionError("the last of its pipeline proceeds to nobody")
