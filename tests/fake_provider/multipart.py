"""Forms (RFC 7578), read strictly enough to find a gateway that changes them."""

import re
from dataclasses import dataclass

from fake_provider.refusal import Refusal

BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
PARAMETER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    field: str
    filename: str
    media_type: str
    content: bytes


def read_form(content_type: str, body: bytes) -> tuple[dict[str, object], list[Upload]]:
    """Fields and files. A field whose name ends with `[]` is a list. Refuses what is not a whole form."""
    boundary = BOUNDARY.search(content_type)
    if boundary is None:
        raise Refusal("the form has no boundary")
    head, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
    if head or not parts or not parts[-1].startswith(b"--"):
        raise Refusal("the form is not whole")
    fields: dict[str, object] = {}
    uploads: list[Upload] = []
    for part in parts[:-1]:
        _read_part(part, fields, uploads)
    return fields, uploads


def _read_part(part: bytes, fields: dict[str, object], uploads: list[Upload]) -> None:
    head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head.decode().split("\r\n"))
    }
    said = dict(PARAMETER.findall(headers.get("content-disposition", "")))
    name = said.get("name", "")
    if "filename" in said:
        media_type = headers.get("content-type", "application/octet-stream")
        uploads.append(Upload(name.removesuffix("[]"), said["filename"], media_type, content))
    elif name.endswith("[]"):
        values = fields.setdefault(name.removesuffix("[]"), [])
        assert isinstance(values, list)
        values.append(content.decode())
    else:
        fields[name] = content.decode()
