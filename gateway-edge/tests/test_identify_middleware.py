"""Who calls is found out before anything else, and never guessed."""

from collections.abc import Callable

import pytest

from chassis.config.schema import Key, Tenant
from chassis.config.units import Secret
from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.api_key import ApiKey
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import ANONYMOUS, Authority, Principal
from gateway_edge.middleware.identify import Identify

SECRET = "a-secret-of-enough-length"


class Badge:
    """Credentials of another kind: a header that names the tenant."""

    kind = "a badge"

    def are_presented(self, arrival: Arrival) -> bool:
        return "badge" in arrival.headers

    async def verify(self, call: Call) -> Principal:
        return Principal(tenant=call.arrival.headers["badge"], key="badge")


async def identify(call: Call, anonymous: Principal | None = None) -> Principal | None:
    authority = Authority([Tenant(name="acme", keys=[Key(name="ci", secret=Secret(SECRET))])])

    async def end(call: Call) -> None:
        assert call.arrival is not None

    await Identify([ApiKey(authority), Badge()], anonymous)(call, end)
    return call.principal


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {SECRET}"}, {"x-api-key": SECRET}, {"api-key": SECRET}])
async def test_a_key_is_taken_from_each_header_that_sdks_use(make_call: Callable[..., Call], headers):
    principal = await identify(make_call(headers=headers, is_bare=True))
    assert (principal.tenant, principal.key) == ("acme", "ci")


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Bearer "}, {"x-api-key": ""}])
async def test_who_presents_nothing_is_nobody_or_anonymous_where_that_is_allowed(
    make_call: Callable[..., Call], headers
):
    assert await identify(make_call(headers=headers, is_bare=True)) is None
    assert await identify(make_call(headers=headers, is_bare=True), ANONYMOUS) is ANONYMOUS


async def test_one_key_in_two_places_is_one_key(make_call: Callable[..., Call]):
    headers = {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET}
    assert await identify(make_call(headers=headers, is_bare=True)) is not None


@pytest.mark.parametrize("first", [{"authorization": f"Bearer {SECRET}"}, {"api-key": SECRET}])
async def test_two_keys_are_refused_although_one_is_good(make_call: Callable[..., Call], first):
    with pytest.raises(RunestoneError) as refused:
        await identify(make_call(headers={**first, "x-api-key": "another key of somebody"}, is_bare=True))
    assert refused.value.code == "ambiguous_credentials"


@pytest.mark.parametrize("headers", [{"x-api-key": "wrong"}, {"authorization": f"Basic {SECRET}"}])
async def test_what_is_presented_and_wrong_is_refused_even_where_nothing_would_do(
    make_call: Callable[..., Call], headers
):
    with pytest.raises(RunestoneError) as refused:
        await identify(make_call(headers=headers, is_bare=True), ANONYMOUS)
    assert refused.value.reason is Reason.AUTHENTICATION_FAILED
    assert SECRET not in refused.value.message


@pytest.mark.parametrize("key", [SECRET, "wrong"])
async def test_credentials_of_two_kinds_are_refused_good_or_bad(make_call: Callable[..., Call], key):
    call = make_call(headers={"x-api-key": key, "badge": "beta"}, is_bare=True)
    with pytest.raises(RunestoneError) as refused:
        await identify(call)
    assert (refused.value.reason, refused.value.code) == (Reason.AUTHENTICATION_FAILED, "ambiguous_credentials")
    assert call.principal is None
