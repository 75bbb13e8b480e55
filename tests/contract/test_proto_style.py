"""Every contract is written the same way, so that whoever has read one can read all."""

import re
from pathlib import Path

import pytest

from contract.descriptors import PROTO, Element, build_descriptors, elements_of

PROTOS = build_descriptors()
ELEMENTS = list(elements_of(PROTOS))

# Contracts that others made, by file and package: their names are theirs, and only what we say about them is ours.
FOREIGN = {"runestone/envoy/v3/rls.proto": "envoy.service.ratelimit.v3"}
OUR_FILES = [file for file in PROTOS.file if file.name not in FOREIGN]


def of_kind(kind: str) -> list[Element]:
    return [element for element in ELEMENTS if element.kind == kind]


def ours_of_kind(kind: str) -> list[Element]:
    return [element for element in of_kind(kind) if not element.name.startswith(tuple(FOREIGN.values()))]


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def test_every_kind_of_element_is_looked_at():
    """A walk that finds nothing would let every rule below pass."""
    assert {element.kind for element in ELEMENTS} == {"service", "rpc", "message", "field", "oneof", "enum", "value"}
    assert len(list(PROTO.rglob("*.proto"))) == len(PROTOS.file)


def test_everything_has_a_comment():
    assert [f"{element.kind} {element.name}" for element in ELEMENTS if not element.comment] == []


@pytest.mark.parametrize("file", OUR_FILES, ids=lambda file: file.name)
def test_package_directory_and_version_are_one(file):
    """`runestone.cache.v1` stands in `runestone/cache/v1/`."""
    assert file.package == str(Path(file.name).parent).replace("/", ".")
    assert re.fullmatch(r"runestone\.[a-z]+\.v[1-9][0-9]*", file.package)
    assert file.syntax == "proto3"


@pytest.mark.parametrize("file", OUR_FILES, ids=lambda file: file.name)
def test_a_file_holds_one_service_at_most_named_after_its_area(file):
    area = file.package.split(".")[1]
    names = [service.name.lower() for service in file.service]
    assert names in ([], [f"{area}service"])


def test_a_foreign_contract_keeps_its_own_package():
    assert {file.name: file.package for file in PROTOS.file if file.name in FOREIGN} == FOREIGN


@pytest.mark.parametrize("enum", ours_of_kind("enum"), ids=lambda element: element.name)
def test_an_enum_begins_with_what_was_not_said(enum):
    prefix = snake(enum.descriptor.name)
    assert [value.name for value in enum.descriptor.value if value.number == 0] == [f"{prefix}_UNSPECIFIED"]
    assert [value.name for value in enum.descriptor.value if not value.name.startswith(f"{prefix}_")] == []


@pytest.mark.parametrize("rpc", ours_of_kind("rpc"), ids=lambda element: element.name)
def test_an_rpc_has_messages_of_its_own(rpc):
    """Nothing else uses them, so that either can grow alone (AIP-131 and following)."""
    name, package = rpc.descriptor.name, rpc.name.rsplit(".", 2)[0]
    assert rpc.descriptor.input_type == f".{package}.{name}Request"
    assert rpc.descriptor.output_type == f".{package}.{name}Response"


FAILING = re.compile(r"\b([Ff]ail\w*|down|errors?|UNAVAILABLE)\b")
CONSEQUENCE = re.compile(r"\b(caller|asker|a service|no effect)\b")


def says_what_the_caller_does(comment: str) -> bool:
    """Whether some sentence speaks of failing and of what follows for whoever asked.

    A simple check: it cannot judge what is said, but nobody can forget to say it.
    """
    sentences = re.split(r"[.:]\s", " ".join(comment.split()))
    joined = [f"{one} {next_one}" for one, next_one in zip(sentences, [*sentences[1:], ""], strict=True)]
    return any(FAILING.search(text) and CONSEQUENCE.search(text) for text in joined)


@pytest.mark.parametrize("rpc", of_kind("rpc"), ids=lambda element: element.name)
def test_an_rpc_says_what_its_caller_does_when_it_fails_or_is_down(rpc):
    assert says_what_the_caller_does(rpc.comment), rpc.comment


def test_a_comment_that_says_nothing_of_failing_is_caught():
    assert not says_what_the_caller_does("Looks an answer up. A miss is an outcome. The caller asks the provider.")


@pytest.mark.parametrize("element", of_kind("field"), ids=lambda element: element.name)
def test_a_field_is_named_in_snake_case(element):
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", element.descriptor.name)


def test_times_are_googles_types():
    """Never a bare number whose unit one has to guess."""
    suspicious = re.compile(r"(_ms|_seconds|_secs|_millis|_at|_time|duration|_after|ttl|period|timeout)$")
    bare = [
        element.name
        for element in of_kind("field")
        if suspicious.search(element.descriptor.name)
        and not element.descriptor.type_name.startswith(".google.protobuf.")
    ]
    assert bare == []
