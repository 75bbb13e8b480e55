"""Lets callers through by the names in their certificates.

A plain call is looked at each time. A session is its caller's: what may be called on it is looked up once, when it is opened, and
its table of handlers is the answer, so that a call on it costs nothing more than before.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

import grpc
import grpc.aio
from cryptography import x509
from grpc_status import rpc_status

from chassis.errors import Reason, RunestoneError, to_status
from chassis.gate import Handlers
from chassis.logs import Logger
from chassis.mesh_security.access import Access
from chassis.mesh_security.certificate import read_names
from chassis.mesh_security.identity import read_identity
from chassis.rpc_handlers import rebuild

Note = Callable[[str, str], None]
CODE = "mesh_caller_refused"  # tells it apart from what a client's own key may not do
KNOWN = 256  # callers' certificates of which is remembered whose they are: reading one takes a part of a millisecond
NOBODY = "a caller without a name of this mesh"


class IdentityGate:
    """`access` gives what applies now: it may change while the service runs. `note(identity, method)` counts a refusal."""

    def __init__(self, access: Callable[[], Access], trust_domain: str, log: Logger, note: Note) -> None:
        self._access = access
        self._trust_domain = trust_domain
        self._log = log
        self._note = note

    def guard(self, method: str, handler: Any) -> Any:
        """Calls `handler` for those that may; the others' calls raise PERMISSION_DENIED."""
        inner = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream

        def behave(request: Any, context: Any) -> Any:
            identity = self._identify(context)
            if not self._access().may_call(identity, method):
                raise self._refusal(identity, method)
            return inner(request, context)

        return rebuild(handler, behave)

    def admit(self, context: Any, handlers: Handlers) -> Handlers:
        """The handlers, those that the session's caller may not call replaced by a refusal."""
        identity, access = self._identify(context), self._access()
        return {
            method: handler if access.may_call(identity, method) else self._refuser(identity, method)
            for method, handler in handlers.items()
        }

    def _identify(self, context: grpc.aio.ServicerContext[Any, Any]) -> str:
        """Whom the certificate names that the connection was made with."""
        said: Mapping[str, Any] = context.auth_context()
        return _read_caller(said.get("x509_pem_cert", (b"",))[0], self._trust_domain)

    def _refuser(self, identity: str, method: str) -> Any:
        async def refuse(_request: bytes, context: Any) -> NoReturn:
            error = self._refusal(identity, method)
            self._log.warning("rpc failed", method=method, reason=error.reason, message=error.message)
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
            raise AssertionError("abort raises")

        return grpc.unary_unary_rpc_method_handler(refuse, bytes, bytes)

    def _refusal(self, identity: str, method: str) -> RunestoneError:
        access = self._access()
        self._note(identity if access.knows(identity) else "other", method)
        message = f"{identity or NOBODY} may not call {method} of {access.service}"
        return RunestoneError(Reason.PERMISSION_DENIED, message, code=CODE, may_have_begun=False)

    def __repr__(self) -> str:
        return f"IdentityGate({self._access()!r})"


@lru_cache(KNOWN)
def _read_caller(certificate: bytes, trust_domain: str) -> str:
    """By the certificate itself: gRPC's `peer_uri` and `peer_dns` end at a NUL, so that somebody whose name goes on behind one would be
    whoever stands before it. One that cannot be read names nobody."""
    try:
        names = read_names(x509.load_pem_x509_certificate(certificate))
    except ValueError:
        return ""
    return read_identity(names.uris, names.dns_names, trust_domain)
