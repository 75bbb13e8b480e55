"""What a key may use: never more than its tenant, never after its end, and only from where it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config.endpoints import ENDPOINTS
from chassis.config.schema import Scopes
from chassis.errors import Reason, RunestoneError
from gateway_edge.callers.scopes import UNBOUNDED, Scope

CHAT = "/v1/chat/completions"
NAMES = ["gpt-4o", "gpt-4o-mini", "gpt-4", "claude", "openai/gpt-4o", ""]
PATTERNS = st.lists(st.sampled_from(["gpt-4*", "*", "claude", "*mini", "openai/*", "nothing"]), max_size=3)


def refusal(
    scope: Scope, endpoint: str = CHAT, address: str = "127.0.0.1", now: float = 0.0
) -> tuple[Reason, str] | None:
    try:
        scope.check(endpoint, address, now)
    except RunestoneError as error:
        return error.reason, error.code
    return None


@given(PATTERNS, PATTERNS, st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)))
def test_a_key_never_uses_a_model_that_its_tenant_may_not(tenants, keys, name, known):
    """Whatever was prepared beforehand."""
    whole = Scope.of([Scopes(models=tenants), Scopes(models=keys)], known)
    parts = [Scope.of([Scopes(models=patterns)]).allows_model(name) for patterns in (tenants, keys)]
    assert whole.allows_model(name) == all(parts)


@pytest.mark.parametrize(
    ("tenants", "keys", "allowed"),
    [
        ([], [], set(ENDPOINTS)),
        ([], [CHAT], {CHAT}),
        ([CHAT], [], {CHAT}),
        (["/v1/models*"], ["/v1/models"], {"/v1/models"}),
        ([CHAT], ["/v1/models"], set()),
        (["/v1/*"], ["*"], {endpoint for endpoint in ENDPOINTS if endpoint.startswith("/v1/")}),
    ],
)
def test_endpoints_are_those_that_tenant_and_key_both_name(tenants, keys, allowed):
    scope = Scope.of([Scopes(endpoints=tenants), Scopes(endpoints=keys)])
    assert {endpoint for endpoint in ENDPOINTS if refusal(scope, endpoint) is None} == allowed
    assert refusal(scope, "/v1/unheard-of") == (Reason.PERMISSION_DENIED, "endpoint_not_allowed")


def test_an_endpoint_that_nobody_listed_is_refused_to_every_key():
    assert refusal(UNBOUNDED, "/v1/files") == (Reason.PERMISSION_DENIED, "endpoint_not_allowed")


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("11.1.2.3", False),
        ("fd00::1", True),
        ("fd00:0:0:1::1", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("unix", False),
        ("10.1.2.3, 8.8.8.8", False),
    ],
)
def test_an_address_is_allowed_where_both_ranges_hold_it(address, is_allowed):
    scope = Scope.of([Scopes(addresses=["10.0.0.0/8", "fd00::/8"]), Scopes(addresses=["10.1.0.0/16", "fd00::/64"])])
    expected = None if is_allowed else (Reason.PERMISSION_DENIED, "address_not_allowed")
    assert refusal(scope, address=address) == expected


def test_an_expired_key_is_told_so_and_nothing_else():
    scope = Scope.of([Scopes(endpoints=["/v1/models"], addresses=["10.0.0.1"])], valid_until=100.0)
    assert refusal(scope, "/v1/models", "10.0.0.1", 99.999) is None
    assert refusal(scope, CHAT, "8.8.8.8", 100.0) == (Reason.AUTHENTICATION_FAILED, "expired_api_key")


@given(PATTERNS, PATTERNS, st.sampled_from(NAMES))
def test_a_key_never_joins_a_room_that_its_tenant_may_not(tenants, keys, name):
    def joins(*bounds):
        try:
            Scope.of(bounds).check_room(name)
        except RunestoneError:
            return False
        return True

    both = [Scopes(rooms=tenants), Scopes(rooms=keys)]
    assert joins(*both) == all(joins(bound) for bound in both)


def test_a_room_outside_the_scope_is_refused_as_such():
    with pytest.raises(RunestoneError) as refused:
        Scope.of([Scopes(rooms=["team-*"])]).check_room("board")
    assert (refused.value.reason, refused.value.code) == (Reason.PERMISSION_DENIED, "room_not_allowed")


ACTIONS = st.lists(st.sampled_from(["listen", "speak", "control"]), max_size=3)


@given(ACTIONS, ACTIONS)
def test_a_key_does_in_rooms_what_its_tenant_may_and_always_listens(tenants, keys):
    allowed = Scope.of([Scopes(room_actions=tenants), Scopes(room_actions=keys)]).room_actions
    assert "listen" in allowed
    for action in ("speak", "control"):
        assert (action in allowed) == all(not bound or action in bound for bound in (tenants, keys))
