"""What operators ask of provider-svc: how its targets are, and why a call would go where."""

from collections.abc import Mapping

from launcher.address_book import DialEach, dial_plainly
from launcher.replica_desk import Asked, ReplicaDesk
from runestone.target.v1.target_pb2 import (
    ExplainRouteRequest,
    ExplainRouteResponse,
    ListTargetsRequest,
    ListTargetsResponse,
)
from runestone.target.v1.target_pb2_grpc import TargetServiceStub

PATIENCE = 10.0  # seconds for an answer, which nobody has to look up anywhere


class TargetDesk:
    """Health is each replica's own. `services` are addresses by name, as in `mesh.json`."""

    def __init__(self, services: Mapping[str, str], dial: DialEach = dial_plainly) -> None:
        self._replicas = ReplicaDesk(services, "provider", TargetServiceStub, PATIENCE, dial)

    async def list_targets(self) -> Asked[ListTargetsResponse]:
        """What each replica knows; see `ReplicaDesk.ask_each`."""
        return await self._replicas.ask_each(lambda stub: stub.ListTargets(ListTargetsRequest()))

    async def explain(self, request: ExplainRouteRequest) -> tuple[str, ExplainRouteResponse]:
        """What one replica, which is named, would do; see `ReplicaDesk.ask_one`."""
        return await self._replicas.ask_one(lambda stub: stub.ExplainRoute(request))
