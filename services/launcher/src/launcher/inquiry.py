"""A call that nobody makes: what `runestone routes explain` asks about."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import msgspec

from chassis.config.providers import DialectName
from chassis.routing.facts import Facts
from gateway_edge.endpoints.table import ENDPOINTS
from launcher.errors import LaunchError
from provider_svc.dialect_names import BY_NAME
from runestone.target.v1.target_pb2 import ExplainRouteRequest

STDIN = "-"
PATHS = {endpoint.dialect: path for path, endpoint in ENDPOINTS.items()}


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What would be known of the call. `document` is its body."""

    model: str
    tenant: str
    key: str
    tags: tuple[str, ...]
    endpoint: DialectName
    document: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the edge has the endpoint."""
        return PATHS[BY_NAME[self.endpoint]]

    def as_facts(self) -> Facts:
        """What rules and experiments look at."""
        return Facts(
            model=self.model,
            tenant=self.tenant,
            key=self.key,
            call_id="",
            endpoint=self.path,
            body=msgspec.json.encode(self.document),
            read_document=lambda: self.document,
            tags=self.tags,
            is_stream=self.document.get("stream") is True,
        )

    def as_request(self, model: str) -> ExplainRouteRequest:
        """The question for provider-svc, when rules and experiments have led to `model`."""
        return ExplainRouteRequest(
            model=model,
            tenant=self.tenant,
            dialect=BY_NAME[self.endpoint],
            body=msgspec.json.encode(self.document),
        )


def read_inquiry(
    model: str, *, tenant: str, key: str, user: str, tags: Iterable[str], endpoint: str, body: str | None
) -> Inquiry:
    """The inquiry; `body` names a file, `-` stdin. Raises LaunchError for an endpoint that is none, and a body that is no JSON object."""
    document = _read_document(body)
    if user:
        document["user"] = user
    return Inquiry(
        model=model,
        tenant=tenant,
        key=key,
        tags=tuple(tags),
        endpoint=_find_endpoint(endpoint),
        document=document,
    )


def _find_endpoint(name: str) -> DialectName:
    found: DialectName | None = next((one for one in get_args(DialectName) if one == name), None)
    if found is None:
        raise LaunchError(f"there is no endpoint {name!r}; known are {', '.join(get_args(DialectName))}")
    return found


def _read_document(body: str | None) -> dict[str, Any]:
    if body is None:
        return {}
    try:
        text = sys.stdin.read() if body == STDIN else Path(body).read_text()
        return msgspec.json.decode(text, type=dict[str, Any])
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError(f"cannot read {body}: {error}") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LaunchError(f"{body} is not a JSON object: {error}") from error
