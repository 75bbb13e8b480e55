"""Golden files: what stands in a folder by name, and neutral values as JSON, in which `is` says of which type each is."""

from pathlib import Path
from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict, ParseDict

from provider_svc.dialects import prompt, steps
from runestone.common.v1.usage_pb2 import Usage

GOLDEN = Path(__file__).parent / "golden"
TYPES = {
    name: value
    for module in (prompt, steps)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct)
}


def names(folder: str, ending: str) -> list[str]:
    """The names of a folder's files with this ending, which is cut off."""
    found = sorted(path.name.removesuffix(ending) for path in (GOLDEN / folder).glob(f"*{ending}"))
    assert found, f"no golden files in {folder}"
    return found


def read(folder: str, name: str) -> Any:
    """A JSON file."""
    return msgspec.json.decode((GOLDEN / folder / name).read_bytes())


def read_text(folder: str, name: str) -> bytes:
    return (GOLDEN / folder / name).read_bytes()


def to_json(value: Any) -> Any:
    """A neutral value; members that say nothing are left out."""
    match value:
        case msgspec.Struct():
            silent = {field.name: field.default for field in msgspec.structs.fields(value)}
            said = {name: getattr(value, name) for name in silent if getattr(value, name) != silent[name]}
            return {"is": type(value).__name__} | {name: to_json(member) for name, member in said.items()}
        case Usage():
            return {"is": "Usage"} | MessageToDict(value, preserving_proto_field_name=True)
        case tuple() | list():
            return [to_json(item) for item in value]
    return value


def from_json(value: Any) -> Any:
    """The value that `to_json` wrote."""
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict) or "is" not in value:
        return value
    said = {name: from_json(member) for name, member in value.items() if name != "is"}
    return ParseDict(said, Usage()) if value["is"] == "Usage" else TYPES[value["is"]](**said)
