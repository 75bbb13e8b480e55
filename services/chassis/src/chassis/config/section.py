"""What every section of the configuration is made of: the mapping itself, and the kinds of values that many hold."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Rate = Annotated[int, Meta(ge=1, le=10**11)]  # what ratelimit-svc can count
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"
Name = Annotated[str, Meta(pattern=NAME)]

Glob = Annotated[str, Meta(min_length=1, max_length=256)]  # a name, or a pattern in which `*` stands for anything
Moment = Annotated[datetime, Meta(tz=True)]  # RFC 3339, with its zone: 2027-01-31T12:00:00Z


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file: immutable, and an unknown key in it is an error."""
