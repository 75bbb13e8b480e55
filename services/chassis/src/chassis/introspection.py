"""What every process says about itself: IntrospectionService."""

import os

from chassis.health import Facts
from chassis.metrics import Metrics
from chassis.server import Context
from chassis.snapshots import SnapshotFeed
from runestone.introspection.v1.introspection_pb2 import (
    Fact,
    GetMetricsRequest,
    GetMetricsResponse,
    GetStatusRequest,
    GetStatusResponse,
)
from runestone.introspection.v1.introspection_pb2_grpc import IntrospectionServiceServicer


class IntrospectionServicer(IntrospectionServiceServicer):
    """Answers out of the process's own facts and metrics."""

    def __init__(self, service: str, facts: Facts, metrics: Metrics, snapshots: SnapshotFeed) -> None:
        self._service = service
        self._facts = facts
        self._metrics = metrics
        self._snapshots = snapshots

    async def GetStatus(self, request: GetStatusRequest, context: Context) -> GetStatusResponse:  # noqa: N802, ARG002
        """Which facts hold."""
        return GetStatusResponse(
            service=self._service,
            process_id=os.getpid(),
            snapshot_version=self._snapshots.current.version,
            ready=self._facts.is_ready,
            facts=[Fact(name=fact.name, holds=fact.holds, detail=fact.detail) for fact in self._facts],
        )

    async def GetMetrics(self, request: GetMetricsRequest, context: Context) -> GetMetricsResponse:  # noqa: N802, ARG002
        """The metrics as text."""
        text = self._metrics.open_exposition() if request.open_metrics else self._metrics.exposition()
        return GetMetricsResponse(exposition=text, process_id=os.getpid())
