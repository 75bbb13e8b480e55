"""A provider-svc that knows one target and has one key. Replica number n has n + 1 calls running; number 1 leaves the target alone.

It explains the model `gone` by not being there, and any other by the model's name.
"""

from google.protobuf.duration_pb2 import Duration

from chassis.errors import Reason, RunestoneError
from chassis.runtime import Runtime, Service
from runestone.common.v1.error_pb2 import ERROR_REASON_PROVIDER_TIMEOUT
from runestone.target.v1.target_pb2 import (
    Choice,
    ExplainRouteResponse,
    KeyStatus,
    ListTargetsResponse,
    ProviderStatus,
    TargetStatus,
)
from runestone.target.v1.target_pb2_grpc import TargetServiceServicer, add_TargetServiceServicer_to_server

ILL = {
    "state": TargetStatus.STATE_OPEN,
    "retry_after": Duration(seconds=2),
    "last_failure": ERROR_REASON_PROVIDER_TIMEOUT,
    "recent_calls": 4,
    "recent_failures": 3,
}
WELL = {"state": TargetStatus.STATE_CLOSED, "first_byte": Duration(nanos=340_000_000)}


class FakeTargets(TargetServiceServicer):
    """One replica."""

    def __init__(self, worker: int) -> None:
        self._worker = worker

    async def ListTargets(self, request, context):
        more = ILL if self._worker else WELL
        target = TargetStatus(provider="p", model="m", routes=["fast"], running=self._worker + 1, **more)
        key = KeyStatus(name="first", running=1, limit=4, waiting=2, paused=Duration(seconds=5))
        connections = {"open": self._worker, "idle": 1}
        return ListTargetsResponse(
            targets=[target],
            providers=[
                ProviderStatus(provider="p", keys=[key], connections=connections),
                ProviderStatus(provider="sim"),
            ],
        )

    async def ExplainRoute(self, request, context):
        if request.model == "gone":
            raise RunestoneError(Reason.MODEL_NOT_FOUND, "no route answers for the model 'gone'")
        why = f"{request.tenant} {request.dialect} {request.body.decode()}"
        return ExplainRouteResponse(
            route=request.model,
            strategy="weighted",
            choices=[
                Choice(route=request.model, provider="p", model="m", eligible=True, why=why),
                Choice(route="spare", provider="q", model="n", why="weight 0"),
            ],
        )


async def build(runtime: Runtime) -> None:
    runtime.serve(
        add_TargetServiceServicer_to_server, FakeTargets(runtime.place.worker), "runestone.target.v1.TargetService"
    )


SERVICE = Service("provider", build)
