"""Credentials that a client brings where no header can be set: browsers open WebSockets without. Pure.

In the query (`api_key`, `token`), or among the subprotocols as Phoenix' and OpenAI's clients put them. They are moved to where credentials
are looked for, and kept nowhere else.
"""

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import parse_qsl

from chassis.errors import Reason, RunestoneError
from gateway_edge.auth.refusal import AMBIGUOUS, KEY, refusal
from gateway_edge.websocket.handshake import PROTOCOL_HEADER

PARAMETERS = ("api_key", "token")
MOST_PARAMETERS = 64
PHOENIX, OPENAI = "base64url.bearer.phx.", "openai-insecure-api-key."


def read_parameters(query: str) -> dict[str, str]:
    """The query's parameters, decoded. Raises INVALID_REQUEST for too many, and for one that stands twice: two readers could take it for
    two things."""
    try:
        said = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        message = f"a WebSocket's query has at most {MOST_PARAMETERS} parameters"
        raise RunestoneError(Reason.INVALID_REQUEST, message) from error
    parameters = dict(said)
    if len(parameters) < len(said):
        raise RunestoneError(Reason.INVALID_REQUEST, "a parameter of the query stands there twice")
    return parameters


def move_credentials(headers: dict[str, str], parameters: dict[str, str]) -> None:
    """Takes credentials out of the parameters and the subprotocols, and puts them where a bearer's stand. Raises AUTHENTICATION_FAILED for
    several that differ: somebody else might read the others."""
    found = {parameters.pop(name) for name in PARAMETERS if name in parameters} | set(_among_subprotocols(headers))
    found.discard("")
    if not found:
        return
    bearer = f"Bearer {next(iter(found))}"
    if len(found) > 1 or headers.get("authorization", bearer) != bearer:
        raise refusal(AMBIGUOUS, "different credentials in one request")
    headers["authorization"] = bearer


def _among_subprotocols(headers: dict[str, str]) -> Iterator[str]:
    offered = [name.strip() for name in headers.get(PROTOCOL_HEADER, "").split(",")]
    kept = [name for name in offered if not name.startswith((PHOENIX, OPENAI))]
    if len(kept) < len(offered):
        headers[PROTOCOL_HEADER] = ", ".join(kept)
    for name in offered:
        if name.startswith(PHOENIX):
            yield _decode(name.removeprefix(PHOENIX))
        elif name.startswith(OPENAI):
            yield name.removeprefix(OPENAI)


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise refusal(KEY, "the token among the subprotocols is not base64url") from error
