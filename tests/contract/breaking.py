"""What a change of the protos would break for a caller that was built before it.

Adding is free. Whatever an older caller could have sent, called or been answered with must stay: its name, its number,
its type. The rules are Buf's FILE and WIRE_JSON categories (https://buf.build/docs/breaking/rules/), as far as we use protos.
"""

from collections.abc import Callable, Iterator

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import Message

from contract.descriptors import Element, elements_of

Facts = Callable[[Message], dict[str, object]]

# What of each kind of element may not change.
FROZEN: dict[str, Facts] = {
    "service": lambda _: {},
    "rpc": lambda rpc: {
        "request": rpc.input_type,
        "response": rpc.output_type,
        "client streaming": rpc.client_streaming,
        "server streaming": rpc.server_streaming,
    },
    "message": lambda _: {},
    "field": lambda field: {
        "number": field.number,
        "type": field.type_name or field.Type.Name(field.type),
        "label": field.Label.Name(field.label),
        "presence": field.proto3_optional,
        "in a oneof": field.HasField("oneof_index") and not field.proto3_optional,
    },
    "oneof": lambda _: {},
    "enum": lambda _: {},
    "value": lambda value: {"number": value.number},
}


def find_breaks(before: FileDescriptorSet, after: FileDescriptorSet) -> list[str]:
    """One readable line for each thing of `before` that `after` no longer keeps."""
    now = {(element.kind, element.name): element for element in elements_of(after)}
    breaks = [line for element in elements_of(before) for line in _compare(element, now)]
    return [*_lost_syntax(before, after), *breaks]


def _compare(before: Element, now: dict[tuple[str, str], Element]) -> Iterator[str]:
    after = now.get((before.kind, before.name))
    if after is None:
        yield f"{before.kind} {before.name}: removed or renamed"
        return
    old, new = FROZEN[before.kind](before.descriptor), FROZEN[before.kind](after.descriptor)
    for fact, value in old.items():
        if new[fact] != value:
            yield f"{before.kind} {before.name}: {fact} was {value}, now {new[fact]}"


def _lost_syntax(before: FileDescriptorSet, after: FileDescriptorSet) -> Iterator[str]:
    files: dict[str, FileDescriptorProto] = {file.name: file for file in after.file}
    for file in before.file:
        if file.name in files and files[file.name].syntax != file.syntax:
            yield f"file {file.name}: syntax was {file.syntax}, now {files[file.name].syntax}"
