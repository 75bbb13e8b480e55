"""Limits for parts of what somebody does: all that a call matches count it, under the entry's name and not the client's."""

from hypothesis import given
from hypothesis import strategies as st

from chassis.config.schema import Key, Limits, PartLimit, Tenant
from gateway_edge.callers.tenants import Principal, principal_of
from gateway_edge.limits.limit import partial_limits

CHAT = "/v1/chat/completions"


def principal(tenant: Limits = Limits(), key: Limits = Limits()) -> Principal:  # noqa: B008  immutable
    return principal_of(Tenant(name="acme", limits=tenant), Key(name="ci", limits=key))


def quantities(who: Principal, model: str, endpoint: str = CHAT) -> list[int]:
    return [limit.rate.quantity for limit in who.limits_for(endpoint, model)]


def test_every_limit_that_a_call_matches_counts_it():
    who = principal(
        Limits(
            requests_per_minute=100,
            per=[
                PartLimit(models=["gpt-4*"], requests_per_minute=60),
                PartLimit(models=["gpt-4o"], requests_per_minute=30),
                PartLimit(endpoints=[CHAT], requests_per_minute=50),
                PartLimit(models=["gpt-4*"], endpoints=["/v1/embeddings"], requests_per_minute=1),
            ],
        ),
        Limits(requests_per_minute=10, per=[PartLimit(models=["*"], requests_per_minute=5)]),
    )
    assert quantities(who, "gpt-4o") == [100, 10, 60, 30, 50, 5]
    assert quantities(who, "gpt-4-turbo") == [100, 10, 60, 50, 5]
    assert quantities(who, "claude") == [100, 10, 50, 5]


def test_all_names_that_one_entry_matches_are_counted_together():
    """A client that makes names up does not make limits up."""
    who = principal(Limits(per=[PartLimit(models=["openai/*"], requests_per_minute=60)]))
    subjects = {limit.subject for n in range(100) for limit in who.limits_for(CHAT, f"openai/{n}")}
    assert len(subjects) == 1


PARTS = st.builds(
    PartLimit,
    models=st.lists(st.text('",[]*|:é/ab', min_size=1, max_size=4), max_size=3),
    endpoints=st.lists(st.text('",[]*|:é/ab', min_size=1, max_size=4), max_size=3),
    requests_per_minute=st.just(1),
)


@given(PARTS, PARTS)
def test_two_entries_share_a_count_only_if_they_are_for_the_same(one, other):
    subjects = [next(partial_limits(("tenant", "a"), Limits(per=[part]))).limit.subject for part in (one, other)]
    assert (subjects[0] == subjects[1]) == one.is_for_same(other)
