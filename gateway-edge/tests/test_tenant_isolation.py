"""Tenants never see each other, however their names and keys are chosen: prefixes, delimiters, equal key names."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from chassis.config import Catalog
from chassis.config.catalog import Route
from chassis.config.models import Model, Target
from chassis.config.providers import Provider
from chassis.config.schema import Key, Limits, PartLimit, Scopes, Tenant
from chassis.config.units import Secret
from chassis.testing import FakeClock
from gateway_edge.callers.tenants import Authority, principal_of
from gateway_edge.limits.local import LocalLimits
from gateway_edge.question.fingerprint import fingerprint
from gateway_edge.question.routing import find_route

NAMES = st.from_regex(r"\A[a-b0-1][-ab._01]{0,5}\Z")
ADVERSARIAL = ["a", "a.b", "a-b", "a_b", "a.", "b", "ab", "A", "key", "tenant", "pipeline", "acme.ci", "acme", "ci"]


def limits_of(tenant: str, key: str):
    limits = Limits(requests_per_minute=1, per=[PartLimit(models=["*"], requests_per_minute=1)])
    return principal_of(Tenant(name=tenant, limits=limits), Key(name=key, limits=limits)).limits_for("/v1/x", "m")


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_choice_of_names_makes_two_callers_share_a_limit(tenant, key, other, others_key):
    mine, theirs = ({limit.subject for limit in limits_of(*who)} for who in ((tenant, key), (other, others_key)))
    shared = {subject[0] for subject in mine & theirs}
    if tenant != other:
        assert shared == set()
    elif key != others_key:
        assert shared == {"tenant"}


def test_what_one_tenant_uses_up_is_nobody_elses():
    local = LocalLimits(FakeClock())
    for tenant, key in product(ADVERSARIAL, repeat=2):
        for limit in limits_of(tenant, key):
            if limit.subject[0] == "key":
                assert [verdict.is_admitted for verdict in local.reserve([limit])] == [True], limit.subject


@given(NAMES, NAMES, st.sampled_from(ADVERSARIAL), st.sampled_from(ADVERSARIAL))
def test_no_two_tenants_share_an_answer(tenant, other, model, others_model):
    def key(name: str, asked: str) -> bytes:
        route = Route(asked, (Target(provider="sim", model=asked),))
        return fingerprint(
            owner=("tenant", name, "", ""),
            pipeline=b"default",
            dialect="openai_chat",
            route=route,
            document={"model": asked},
        )

    assert (key(tenant, model) == key(other, others_model)) == ((tenant, model) == (other, others_model))


@given(st.lists(NAMES, min_size=2, max_size=4, unique=True), st.data())
def test_a_secret_is_found_as_its_own_tenants_only(tenants, data):
    """Also where every tenant's key has the same name, and secrets begin alike."""
    secrets = {name: f"{'s' * 16}{name}" for name in tenants}
    authority = Authority([Tenant(name=n, keys=[Key(name="ci", secret=Secret(secrets[n]))]) for n in tenants])
    asked = data.draw(st.sampled_from(tenants))
    found = authority.find(secrets[asked])
    assert found is not None
    assert found.tenant == asked
    assert authority.find(secrets[asked][:-1]) is None or secrets[asked][:-1] in secrets.values()


@given(st.lists(st.sampled_from(ADVERSARIAL), min_size=1, max_size=4), st.sampled_from(ADVERSARIAL))
def test_a_model_is_there_for_whom_it_is_allowed_and_for_nobody_else(allowed, asked):
    catalog = Catalog(
        [Model(name=name, targets=[Target(provider="sim", model=name)]) for name in ADVERSARIAL],
        [Provider(name="sim", kind="simulated")],
    )
    who = principal_of(Tenant(name="acme", scopes=Scopes(models=allowed)), Key(name="ci"))
    assert (find_route(catalog, who, asked) is not None) == (asked in allowed)
    assert find_route(catalog, who, f"sim/{asked}") is None
