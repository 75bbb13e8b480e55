"""The document that the edge publishes: valid, complete, and what its sources say."""

import runpy
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema_rs import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chassis.config import Settings
from chassis.snapshots import Snapshot
from gateway_edge.door.errors import MEANINGS
from gateway_edge.endpoints.table import ENDPOINTS
from gateway_edge.endpoints.voices import ANTHROPIC
from gateway_edge.openapi.document import published, read_document
from gateway_edge.openapi.shape import request_shape
from gateway_edge.pipeline import lay_pipelines
from gateway_edge.policy import Policy

SOURCES = Path(__file__).parents[1] / "openapi"
PATHS = read_document()["paths"]
CHAT = PATHS["/chat/completions"]["post"]
ASKING = {path.removeprefix("/v1"): endpoint for path, endpoint in ENDPOINTS.items()}


def test_it_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(read_document()).iter_errors()) == []


def test_it_is_what_its_sources_say() -> None:
    """`make openapi` was run after the last change."""
    assembled = runpy.run_path(str(SOURCES / "assemble.py"))["assemble"]()
    assert orjson.loads(assembled) == read_document()


def test_it_is_published_whole() -> None:
    assert orjson.loads(published()) == read_document()


class Anything:
    """Stands for every peer and every part that outlives a snapshot: nothing is asked of them before the first call."""

    name = "anything"

    def __getattr__(self, part: str) -> "Anything":
        return self


def routes_laid() -> set[tuple[str, str]]:
    policy = Policy.of(Snapshot("v1", Settings()), 0.0)
    anything: Any = Anything()
    return set(lay_pipelines(policy, anything, anything).table)


def test_every_route_is_described_and_no_other() -> None:
    described = {
        (method.upper(), f"/v1{path}") for path, methods in read_document()["paths"].items() for method in methods
    }
    assert described == routes_laid() - {("*", "*")}


@pytest.mark.parametrize("path", ASKING)
def test_every_status_that_a_reason_stands_for_is_described(path: str) -> None:
    assert {str(meaning.status) for meaning in MEANINGS.values()} <= set(PATHS[path]["post"]["responses"])


@pytest.mark.parametrize("path", ASKING)
def test_an_endpoint_is_read_as_it_is_described(path: str) -> None:
    """A form where a form is described; and who speaks with Anthropic's voice refuses in Anthropic's shape."""
    operation, endpoint = PATHS[path]["post"], ASKING[path]
    (media_type,) = operation["requestBody"]["content"]
    assert media_type == ("multipart/form-data" if endpoint.is_form else "application/json")
    assert ("AnthropicRefusal" in str(operation["responses"]["400"])) == (endpoint.voice is ANTHROPIC)
    assert ("request-id" in operation["responses"]["200"]["headers"]) == bool(endpoint.voice.id_header)


@pytest.mark.parametrize("path", ASKING)
def test_what_the_edge_reads_is_described(path: str) -> None:
    assert set(ASKING[path].view.__struct_fields__) <= set(request_shape(f"/v1{path}", is_strict=False).members)


@pytest.mark.parametrize("name", CHAT["requestBody"]["content"]["application/json"]["examples"])
def test_an_example_holds_nothing_that_the_schema_does_not_know(name: str) -> None:
    example = CHAT["requestBody"]["content"]["application/json"]["examples"][name]["value"]
    assert request_shape("/v1/chat/completions", is_strict=True).is_valid(example)


@pytest.mark.parametrize("name", ["ErrorAnswer", "AnthropicErrorAnswer"])
def test_an_error_is_what_it_is_said_to_be(name: str) -> None:
    schema = read_document()["components"]["schemas"][name]
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)


def test_nothing_is_described_that_is_not_referred_to() -> None:
    text = published().decode()
    named = {
        f"#/components/{kind}/{name}" for kind, members in read_document()["components"].items() for name in members
    }
    assert {name for name in named if f'"{name}"' not in text and "securitySchemes" not in name} == set()
