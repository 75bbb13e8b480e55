"""What `runestone doctor` asks others: Redis, PostgreSQL, the collector of traces, the running mesh and its targets. Every wait is bounded."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp

from chassis.clock import SystemClock
from chassis.config import ConfigError, Settings
from chassis.errors import RunestoneError
from launcher.address_book import dial_with
from launcher.diagnosis import PATIENCE, Finding, Verdict, can_connect
from launcher.meshfile import MeshFile
from launcher.target_desk import TargetDesk
from launcher.target_report import list_left_alone, list_targets

OTLP_PORT = 4317


async def check_neighbours(settings: Settings, mesh: MeshFile | None) -> AsyncIterator[Finding]:
    """Everything that is asked over a connection."""
    for section, store in (("cache", settings.cache.store), ("ratelimit", settings.ratelimit.store)):
        if store.startswith(("redis://", "rediss://")):
            yield await check_redis(section, store)
    if settings.audit.store.startswith(("postgresql://", "postgres://")):
        yield await check_postgres("audit", settings.audit.store)
    if endpoint := settings.telemetry.otlp_endpoint:
        yield await check_collector(endpoint)
    if mesh is None:
        yield Finding("mesh", Verdict.WARN, "not running; start it with `runestone up`")
        return
    async for finding in check_mesh(mesh):
        yield finding
    async for finding in check_targets(mesh):
        yield finding


async def check_redis(section: str, url: str) -> Finding:
    """It answers PING; the address is shown without user and password."""
    import redis.asyncio  # noqa: PLC0415  not in the image of a service without such a store
    from redis.exceptions import RedisError  # noqa: PLC0415  as above

    shown = hide_user(url)
    client = redis.asyncio.from_url(url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE)
    try:
        async with asyncio.timeout(2 * PATIENCE):
            await client.ping()
    except (RedisError, OSError, ValueError) as error:
        return Finding(f"{section} store", Verdict.FAIL, f"{shown}: {type(error).__name__}")
    finally:
        await client.aclose()
    return Finding(f"{section} store", Verdict.OK, f"{shown}: answers")


async def check_postgres(section: str, url: str) -> Finding:
    """It lets the role in and answers; the address is shown without user, password and options."""
    from audit_svc.postgres_pool import PostgresPool  # noqa: PLC0415  a machine without audit-svc may have no library for it

    shown = hide_user(url)
    try:
        async with PostgresPool(url, SystemClock(), deadline=2 * PATIENCE) as pool, pool.lend("asked") as connection:
            await connection.fetchval("SELECT 1")
    except ConfigError as error:
        return Finding(f"{section} store", Verdict.FAIL, error.problems[0].message)
    except RunestoneError as error:
        return Finding(f"{section} store", Verdict.FAIL, f"{shown}: {error.message}")
    return Finding(f"{section} store", Verdict.OK, f"{shown}: answers")


async def check_collector(endpoint: str) -> Finding:
    """Something listens there. Calls do not depend on it: a warning at worst."""
    address = urlsplit(endpoint)
    shown = hide_user(endpoint)
    reason = await can_connect(address.hostname or "", address.port or OTLP_PORT)
    return Finding("traces", Verdict.WARN if reason else Verdict.OK, f"{shown}: {reason or 'reachable'}")


async def check_mesh(mesh: MeshFile) -> AsyncIterator[Finding]:
    """The launcher answers on its admin port, and each part is ready."""
    limits = aiohttp.ClientTimeout(total=2 * PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits) as session,
            session.get(f"{mesh.admin.url}/health/readiness") as response,
        ):
            readiness = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        yield Finding("mesh", Verdict.FAIL, f"{mesh.admin.url} does not answer: {type(error).__name__}")
        return
    yield Finding("mesh", Verdict.OK, f"running (pid {mesh.pid}, snapshot {mesh.version})")
    for name, part in readiness["parts"].items():
        missing = [f"{fact} ({it['detail']})" for fact, it in part["facts"].items() if not it["holds"]]
        detail = part.get("error") or ", ".join(missing) or f"ready (pid {part['pid']})"
        yield Finding(name, Verdict.OK if part["ready"] else Verdict.FAIL, detail)


async def check_targets(mesh: MeshFile) -> AsyncIterator[Finding]:
    """Calls go to all targets, as far as replicas of provider-svc can be asked. Where they do not, others may answer: a warning."""
    asked = await TargetDesk(mesh.services, dial_with(mesh.tls)).list_targets()
    left_alone = list_left_alone(asked.answers)
    for line in left_alone:
        detail = (
            f"{line.state.lower()} on {line.replica}: {line.last_failure}, tried again in {line.retry_after or 0:.1f} s"
        )
        yield Finding(f"target {line.name}", Verdict.WARN, detail)
    if asked.answers and not left_alone:
        yield Finding("targets", Verdict.OK, f"calls go to all {len(list_targets(asked.answers))}")


def hide_user(url: str) -> str:
    """An address without its user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
