"""The composition root: one durable store behind one servicer."""

from audit_svc.metered import MeteredStore
from audit_svc.servicer import AuditServicer
from audit_svc.settings import read_settings
from audit_svc.store import AuditStore
from chassis.runtime import Runtime, Service
from runestone.audit.v1 import audit_pb2, audit_pb2_grpc


async def build(runtime: Runtime) -> None:
    """Opens the store, measures it, serves it."""
    store = MeteredStore(await _open_store(runtime), runtime.metrics, runtime.clock)
    runtime.serve(
        audit_pb2_grpc.add_AuditServiceServicer_to_server,
        AuditServicer(store, runtime.tracing),
        audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name,
    )


async def _open_store(runtime: Runtime) -> AuditStore:
    """SQLite before listening, so that whoever connects can append; only the library of the engine that is used is loaded."""
    settings = read_settings(runtime)
    if settings.store_url is not None:
        from audit_svc.postgres_opening import open_postgres  # noqa: PLC0415

        return await open_postgres(runtime, settings.store_url)
    from audit_svc.sqlite_store import open_sqlite  # noqa: PLC0415

    store: AuditStore = await runtime.open(open_sqlite(settings.database))
    return store


SERVICE = Service("audit", build)
