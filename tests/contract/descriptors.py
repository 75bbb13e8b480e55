"""The protos as protoc sees them: a FileDescriptorSet, and a walk over everything that has a name."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message
from grpc_tools import protoc

PROTO = Path(__file__).parents[2] / "proto"
BASELINE = PROTO / "baseline.binpb"

# Field numbers of google/protobuf/descriptor.proto: a location's path is made of them and of indices.
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE = 4, 5, 6
MESSAGE_FIELD, MESSAGE_NESTED, MESSAGE_ENUM, MESSAGE_ONEOF = 2, 3, 4, 8
ENUM_VALUE, SERVICE_METHOD = 2, 2


@dataclass(frozen=True)
class Element:
    """One named thing of a proto: what kind, its full name, its comment, its descriptor."""

    kind: str
    name: str
    comment: str
    descriptor: Message


def build_descriptors(root: Path = PROTO) -> FileDescriptorSet:
    """Compiles every proto below `root`, with comments; imported Google protos are left out."""
    sources = sorted(str(path) for path in root.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "set.binpb"
        options = [f"-I{root}", f"-I{files('grpc_tools') / '_proto'}", "--include_source_info"]
        code = protoc.main(["protoc", *options, f"--descriptor_set_out={out}", *sources])
        if code:
            raise RuntimeError(f"protoc failed with {code}")
        return FileDescriptorSet.FromString(out.read_bytes())


def read_baseline() -> FileDescriptorSet:
    """The contracts that callers may already rely on."""
    return FileDescriptorSet.FromString(BASELINE.read_bytes())


def elements_of(protos: FileDescriptorSet) -> Iterator[Element]:
    """Every service, rpc, message, field, oneof, enum and enum value, in the order of the files."""
    for file in protos.file:
        yield from _Walk(file).elements()


class _Walk:
    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        self._comments = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}

    def elements(self) -> Iterator[Element]:
        for index, service in enumerate(self._file.service):
            yield from self._service(service, (FILE_SERVICE, index))
        for index, message in enumerate(self._file.message_type):
            yield from self._message(message, self._file.package, (FILE_MESSAGE, index))
        for index, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum, self._file.package, (FILE_ENUM, index))

    def _service(self, service: ServiceDescriptorProto, path: tuple[int, ...]) -> Iterator[Element]:
        name = f"{self._file.package}.{service.name}"
        yield self._element("service", name, service, path)
        yield from self._members("rpc", name, service.method, (*path, SERVICE_METHOD))

    def _message(self, message: DescriptorProto, scope: str, path: tuple[int, ...]) -> Iterator[Element]:
        name = f"{scope}.{message.name}"
        yield self._element("message", name, message, path)
        yield from self._members("field", name, message.field, (*path, MESSAGE_FIELD))
        yield from self._members("oneof", name, _written_oneofs(message), (*path, MESSAGE_ONEOF))
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from self._message(nested, name, (*path, MESSAGE_NESTED, index))
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, name, (*path, MESSAGE_ENUM, index))

    def _enum(self, enum: EnumDescriptorProto, scope: str, path: tuple[int, ...]) -> Iterator[Element]:
        name = f"{scope}.{enum.name}"
        yield self._element("enum", name, enum, path)
        yield from self._members("value", name, enum.value, (*path, ENUM_VALUE))

    def _members(self, kind: str, scope: str, members: Sequence[Message], path: tuple[int, ...]) -> Iterator[Element]:
        for index, member in enumerate(members):
            yield self._element(kind, f"{scope}.{member.name}", member, (*path, index))

    def _element(self, kind: str, name: str, descriptor: Message, path: tuple[int, ...]) -> Element:
        return Element(kind, name, self._comments.get(path, "").strip(), descriptor)


def _written_oneofs(message: DescriptorProto) -> list[Message]:
    """Those that stand in the file: protoc makes one more for each `optional` field, behind the written ones."""
    made = {field.oneof_index for field in message.field if field.proto3_optional}
    return [oneof for index, oneof in enumerate(message.oneof_decl) if index not in made]
