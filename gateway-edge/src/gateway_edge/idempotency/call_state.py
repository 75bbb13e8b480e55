"""What the edge needs of cache-svc to make calls under a key once."""

from collections.abc import Awaitable
from typing import Protocol

from chassis.metadata import Metadata
from runestone.state.v1.state_pb2 import (
    AbandonCallRequest,
    AbandonCallResponse,
    BeginCallRequest,
    BeginCallResponse,
    FinishCallRequest,
    FinishCallResponse,
    RenewCallRequest,
    RenewCallResponse,
)


class CallState(Protocol):
    """`StateServiceStub`, as far as it is about calls. `timeout` is in seconds."""

    def BeginCall(  # noqa: N802  the rpc's name
        self, request: BeginCallRequest, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[BeginCallResponse]:
        """Claims a key, or says how it stands."""

    def RenewCall(  # noqa: N802  the rpc's name
        self, request: RenewCallRequest, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[RenewCallResponse]:
        """Prolongs a claim."""

    def FinishCall(  # noqa: N802  the rpc's name
        self, request: FinishCallRequest, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[FinishCallResponse]:
        """Keeps an answer and ends the claim."""

    def AbandonCall(  # noqa: N802  the rpc's name
        self, request: AbandonCallRequest, /, *, timeout: float, metadata: Metadata
    ) -> Awaitable[AbandonCallResponse]:
        """Ends a claim without an answer."""
