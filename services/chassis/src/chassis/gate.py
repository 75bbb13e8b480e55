"""Whether a caller may make a call: everybody may, unless `chassis.mesh_security` says who."""

from collections.abc import Mapping
from typing import Any, Protocol

Handlers = Mapping[str, Any]


class Gate(Protocol):
    """Stands before the handlers of one server."""

    def guard(self, method: str, handler: Any) -> Any:
        """`handler` for plain gRPC calls, which come from whom each call's context says."""

    def admit(self, context: Any, handlers: Handlers) -> Handlers:
        """The handlers for a whole session, which is its caller's from beginning to end: `context` is that of the rpc that carries it."""


class OpenGate:
    """Everybody may call everything: on a unix socket, whose directory is private, and without TLS."""

    def guard(self, method: str, handler: Any) -> Any:  # noqa: ARG002  as the protocol has it
        """The handler itself."""
        return handler

    def admit(self, context: Any, handlers: Handlers) -> Handlers:  # noqa: ARG002  as the protocol has it
        """All of them."""
        return handlers

    def __repr__(self) -> str:
        return "OpenGate()"


OPEN_GATE = OpenGate()
