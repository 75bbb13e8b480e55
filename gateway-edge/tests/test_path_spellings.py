"""Every spelling of a path leads to one endpoint, and no other path does."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import Settings
from chassis.config.endpoints import ENDPOINTS as NAMED_IN_SCOPES
from chassis.snapshots import Snapshot
from gateway_edge.door.ways import Way, Ways
from gateway_edge.endpoints.stored import STORED, TEMPLATES
from gateway_edge.endpoints.streams import STEERED, STREAM
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.middleware.base import Pipeline
from gateway_edge.policy import Policy
from runestone.common.v1.dialect_pb2 import Dialect

ASKING, MODELS, REFUSAL = Pipeline([]), Pipeline([]), Pipeline([])
WAYS = Ways(
    Policy.of(Snapshot("v", Settings()), 0.0),
    {
        **{("POST", path): ASKING for path in ENDPOINTS},
        **dict.fromkeys(STORED, ASKING),
        ("GET", STREAM): ASKING,
        **dict.fromkeys(STEERED, ASKING),
        ("GET", "/v1/models"): MODELS,
        ("GET", "/v1/models/{id}"): MODELS,
        ("*", "*"): REFUSAL,
    },
    Pipeline([]),
)
DEPLOYED = [path.removeprefix("/v1") for path, endpoint in ENDPOINTS.items() if endpoint.is_deployed]


def find(path: str, method: str = "POST") -> Way:
    return WAYS.find(method, path)


def spellings(path: str) -> Iterable[str]:
    bare = path.removeprefix("/v1")
    return (path, bare, f"/openai{bare}", f"/openai{path}")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_an_endpoint_is_found_with_its_version_without_and_as_azure_writes_it(path: str) -> None:
    for spelled in spellings(path):
        way = find(spelled)
        assert (way.path, way.endpoint, way.voice, way.model) == (path, ENDPOINTS[path], ENDPOINTS[path].voice, "")
        assert way.pipeline is ASKING


@pytest.mark.parametrize(("method", "template"), STORED)
@pytest.mark.parametrize("named", ["resp_1", "compact", "..", "%2e%2e", "{id}", "x" * 300])
def test_a_stored_response_is_found_in_every_spelling(method: str, template: str, named: str) -> None:
    """Whether that is an id is another question."""
    for spelled in spellings(template.replace("{id}", named)):
        way = find(spelled, method)
        assert (way.path, way.endpoint) == (template, ENDPOINTS["/v1/responses"])
        assert way.pipeline is ASKING


@pytest.mark.parametrize(("method", "template"), [("GET", STREAM), *STEERED])
@pytest.mark.parametrize("named", ["req_1", "..", "{id}", "x" * 300])
def test_a_stream_is_found_in_every_spelling_under_one_name(method: str, template: str, named: str) -> None:
    """So that one scope is for all that can be done to it."""
    for spelled in spellings(template.replace("{id}", named)):
        way = find(spelled, method)
        assert way.path == STREAM
        assert way.pipeline is ASKING


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/streams/req_1"),
        ("HEAD", "/v1/streams/req_1"),
        ("DELETE", "/v1/streams/req_1"),
        ("GET", "/v1/streams/"),
        ("GET", "/v1/streams/req_1/pause"),
        ("POST", "/v1/streams/req_1/stop"),
        ("POST", "/v1/streams//cancel"),
        ("GET", "/v1/streams/a/b"),
        ("POST", "/v1/responses/resp_1"),
        ("PUT", "/v1/responses/resp_1"),
        ("GET", "/v1/responses"),
        ("GET", "/v1/responses/"),
        ("GET", "/v1/responses/resp_1/"),
        ("GET", "/v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/output_items"),
        ("GET", "/v1/responses/resp_1/input_items/x"),
        ("POST", "/v1/responses//cancel"),
        ("DELETE", "/v1/responses/a/b"),
        ("GET", "/openai/deployments/simulated/responses/resp_1"),
    ],
)
def test_what_is_no_path_of_a_stored_response_is_refused(method: str, path: str) -> None:
    assert find(path, method).pipeline is REFUSAL


@pytest.mark.parametrize("path", DEPLOYED)
@pytest.mark.parametrize("model", ["gpt-4o", "openai/gpt-4o", "chat", "a/b/c"])
@pytest.mark.parametrize("before", ["/openai/deployments", "/openai/v1/deployments", "/engines", "/v1/engines"])
def test_a_path_may_name_its_model(path: str, model: str, before: str) -> None:
    """Azure's client writes a slash as `%2F`; others leave it."""
    for spelled in (model, model.replace("/", "%2F")):
        way = find(f"{before}/{spelled}{path}")
        assert (way.path, way.model) == (f"/v1{path}", model)


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/m/messages",
        "/openai/deployments/m/moderations",
        "/openai/deployments/m/models",
        "/openai/deployments/chat/completion",
        "/openai/deployments//chat/completions",
        "/openai/deployments/completions",
        "/openai/deployments/m",
        "/openai/openai/chat/completions",
        "/openai/engines/m/completions",
        "/deployments/m/chat/completions",
        "/v1/deployments/m/chat/completions",
        "/engines/m",
        "/openai",
        "/openai/",
        "/v1/openai/v1",
        "/openaiv1/chat/completions",
        "/v1/messages/",
        "/v1/responses/resp_1",
    ],
)
def test_whatever_is_no_spelling_is_refused(path: str) -> None:
    assert find(path).pipeline is REFUSAL


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_another_method_is_refused(method: str) -> None:
    for path in ENDPOINTS:
        assert all(find(spelled, method).pipeline is REFUSAL for spelled in spellings(path))
    assert find("/openai/deployments/m/chat/completions", method).pipeline is REFUSAL


def test_models_are_found_as_azure_writes_them_too() -> None:
    for before in ("", "/v1", "/openai", "/openai/v1"):
        assert find(f"{before}/models", "GET").path == "/v1/models"
        assert find(f"{before}/models/openai/gpt-4o", "GET").path == "/v1/models/{id}"


@given(st.lists(st.sampled_from([*"/m%2F", "v1", "/openai", "/deployments/", "/engines", "chat", "/completions"])))
def test_a_model_is_named_only_where_models_are_asked_and_is_never_empty(pieces: list[str]) -> None:
    way = find(f"/{''.join(pieces)}")
    assert (way.path in ENDPOINTS) == (way.pipeline is ASKING)
    assert not way.model or (way.endpoint.is_deployed and way.pipeline is ASKING and way.model[0] != "/")


def test_every_dialect_has_its_endpoint_and_every_endpoint_can_be_named_in_a_scope() -> None:
    assert {endpoint.dialect for endpoint in ENDPOINTS.values()} == set(Dialect.values()) - {0}
    assert len({endpoint.name for endpoint in ENDPOINTS.values()}) == len(ENDPOINTS)
    assert {path for path, is_limited in NAMED_IN_SCOPES.items() if is_limited} == {
        *ENDPOINTS,
        *TEMPLATES,
        STREAM,
        "/v1/realtime",
    }
