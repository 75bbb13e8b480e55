"""Which web pages may call."""

from collections.abc import Callable

import msgspec
import pytest

from chassis.errors import Reason, RunestoneError
from gateway_edge.call import Call
from gateway_edge.door.cors import Cors
from gateway_edge.middleware.preflight import Preflight

APP = "https://app.example"


async def never(call: Call) -> None:
    raise AssertionError("nothing comes after a preflight")


@pytest.fixture
def ask(make_call: Callable[..., Call]) -> Callable[..., Call]:
    """A call whose browser asks before it sends a request."""

    def make(headers: dict[str, str]) -> Call:
        call = make_call(is_bare=True)
        call.arrival = msgspec.structs.replace(call.arrival, headers=headers)
        return call

    return make


def test_an_answer_says_to_whom_it_may_be_shown() -> None:
    cors = Cors([APP, "http://localhost:3000"])
    assert cors.headers_for(APP)["access-control-allow-origin"] == APP
    assert cors.headers_for(APP)["vary"] == "origin"


@pytest.mark.parametrize(
    "origin",
    [None, "", "null", "https://app.example.evil", "http://app.example", "https://APP.example", f"{APP}, {APP}"],
)
def test_no_other_origin_is_told_anything(origin: str | None) -> None:
    assert Cors([APP]).headers_for(origin) == {"vary": "origin"}


def test_any_origin_may_be_meant_and_nobody_varies_then() -> None:
    headers = Cors(["*"]).headers_for("https://x.example")
    assert headers["access-control-allow-origin"] == "*"
    assert "vary" not in headers


@pytest.mark.parametrize("origins", [[APP], ["*"]])
def test_credentials_are_never_allowed(origins: list[str]) -> None:
    """Else a page could call with what the browser keeps."""
    assert "access-control-allow-credentials" not in Cors(origins).headers_for(APP)


async def test_a_page_that_may_call_learns_with_which_headers(ask: Callable[..., Call]) -> None:
    asked = "authorization,content-type,x-stainless-lang"
    call = ask({"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": asked})
    await Preflight(Cors([APP]))(call, never)
    assert call.reply.headers == {
        "access-control-allow-methods": "GET, POST",
        "access-control-max-age": "7200",
        "access-control-allow-headers": asked,
    }


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"origin": "https://evil.example", "access-control-request-method": "POST"}, Reason.PERMISSION_DENIED),
        ({"origin": APP}, Reason.ROUTE_NOT_FOUND),
        ({"access-control-request-method": "POST"}, Reason.ROUTE_NOT_FOUND),
    ],
)
async def test_other_pages_and_other_questions_are_refused(
    ask: Callable[..., Call], headers: dict[str, str], reason: Reason
) -> None:
    with pytest.raises(RunestoneError) as refused:
        await Preflight(Cors([APP]))(ask(headers), never)
    assert refused.value.reason is reason
