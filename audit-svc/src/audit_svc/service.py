"""The composition root: one durable store behind one servicer."""

from audit_svc.metered import MeteredStore
from audit_svc.servicer import AuditServicer
from audit_svc.settings import read_settings
from audit_svc.sqlite_store import open_sqlite
from chassis.runtime import Runtime, Service
from runestone.audit.v1 import audit_pb2, audit_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the database before listening, so that whoever connects can append."""
    settings = read_settings(runtime)
    database = await runtime.open(open_sqlite(settings.database))
    store = MeteredStore(database, runtime.metrics, runtime.clock)
    runtime.serve(
        audit_pb2_grpc.add_AuditServiceServicer_to_server,
        AuditServicer(store, runtime.tracing),
        audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name,
    )


SERVICE = Service("audit", build)
