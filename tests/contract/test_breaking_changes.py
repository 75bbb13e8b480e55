"""No change of the protos breaks a caller that was built before it."""

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from contract.breaking import find_breaks
from contract.descriptors import build_descriptors, read_baseline

ADVICE = "Keep it, or start a new version of the package. Before anyone relies on it: make proto-baseline"


@pytest.fixture(scope="module")
def protos() -> FileDescriptorSet:
    return build_descriptors()


def test_the_contracts_keep_what_their_baseline_promised(protos):
    assert not (breaks := find_breaks(read_baseline(), protos)), "\n".join([*breaks, ADVICE])


def test_nothing_is_broken_by_no_change(protos):
    assert find_breaks(protos, protos) == []


class Changed:
    """A copy of the contracts, and short ways to what the mutations below change."""

    def __init__(self, protos: FileDescriptorSet) -> None:
        self.set = FileDescriptorSet.FromString(protos.SerializeToString())

    def file(self, area: str):
        return next(file for file in self.set.file if f"/{area}/" in file.name)

    def message(self, area: str, name: str):
        return next(message for message in self.file(area).message_type if message.name == name)

    def field(self, area: str, message: str, name: str) -> FieldDescriptorProto:
        return next(field for field in self.message(area, message).field if field.name == name)

    def rpc(self, area: str, name: str):
        return next(rpc for rpc in self.file(area).service[0].method if rpc.name == name)


def without(items, name: str) -> None:
    del items[next(index for index, item in enumerate(items) if item.name == name)]


MUTATIONS = {
    "field runestone.cache.v1.Answer.body: removed or renamed": lambda c: without(
        c.message("cache", "Answer").field, "body"
    ),
    "field runestone.cache.v1.Answer.provider: removed or renamed": lambda c: setattr(
        c.field("cache", "Answer", "provider"), "name", "maker"
    ),
    "field runestone.cache.v1.Answer.model: number was 4, now 44": lambda c: setattr(
        c.field("cache", "Answer", "model"), "number", 44
    ),
    "field runestone.cache.v1.Answer.body: type was TYPE_BYTES, now TYPE_STRING": lambda c: setattr(
        c.field("cache", "Answer", "body"), "type", FieldDescriptorProto.TYPE_STRING
    ),
    "field runestone.cache.v1.Answer.body: label was LABEL_OPTIONAL, now LABEL_REPEATED": lambda c: setattr(
        c.field("cache", "Answer", "body"), "label", FieldDescriptorProto.LABEL_REPEATED
    ),
    "field runestone.cache.v1.LookUpResponse.hit: in a oneof was True, now False": lambda c: c.field(
        "cache", "LookUpResponse", "hit"
    ).ClearField("oneof_index"),
    "field runestone.cache.v1.Answer.usage: type was .runestone.common.v1.Usage, now .runestone.cache.v1.Miss": lambda c: (
        setattr(c.field("cache", "Answer", "usage"), "type_name", ".runestone.cache.v1.Miss")
    ),
    "message runestone.audit.v1.AppendResponse: removed or renamed": lambda c: without(
        c.file("audit").message_type, "AppendResponse"
    ),
    "rpc runestone.provider.v1.ProviderService.Attach: removed or renamed": lambda c: without(
        c.file("provider").service[0].method, "Attach"
    ),
    "rpc runestone.provider.v1.ProviderService.Call: server streaming was True, now False": lambda c: setattr(
        c.rpc("provider", "Call"), "server_streaming", False
    ),
    "rpc runestone.provider.v1.ProviderService.Control: response was .runestone.provider.v1.ControlResponse, "
    "now .runestone.provider.v1.CallResponse": lambda c: setattr(
        c.rpc("provider", "Control"), "output_type", ".runestone.provider.v1.CallResponse"
    ),
    "service runestone.control.v1.ControlService: removed or renamed": lambda c: c.file("control").ClearField(
        "service"
    ),
    "value runestone.provider.v1.ControlRequest.Action.ACTION_PAUSE: removed or renamed": lambda c: without(
        c.message("provider", "ControlRequest").enum_type[0].value, "ACTION_PAUSE"
    ),
    "value runestone.provider.v1.ControlRequest.Action.ACTION_CANCEL: number was 3, now 9": lambda c: setattr(
        c.message("provider", "ControlRequest").enum_type[0].value[3], "number", 9
    ),
    "file runestone/control/v1/control.proto: syntax was proto3, now proto2": lambda c: setattr(
        c.file("control"), "syntax", "proto2"
    ),
}


@pytest.mark.parametrize(("line", "mutate"), MUTATIONS.items())
def test_a_break_is_caught_and_named(protos, line, mutate):
    """The test of the test: each kind of break, in a copy of our own contracts."""
    changed = Changed(protos)
    mutate(changed)
    assert line in find_breaks(protos, changed.set)


def test_an_addition_breaks_nobody(protos):
    changed = Changed(protos)
    changed.message("cache", "Answer").field.add(name="newer", number=99, type=9, label=1)
    changed.file("cache").message_type.add(name="Newer")
    changed.file("cache").service[0].method.add(name="Newer", input_type=".a.B", output_type=".a.C")
    assert find_breaks(protos, changed.set) == []
