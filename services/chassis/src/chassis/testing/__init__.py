"""What tests of every service need: a clock they own, a service on a socket of its own, a real Redis, or a cluster of them,
a real PostgreSQL."""

from chassis.testing.clock import FakeClock
from chassis.testing.ports import free_port, short_directory, wait_for_port
from chassis.testing.postgres import PostgresProcess, find_postgres, postgres_server
from chassis.testing.redis import RedisProcess, cluster_url, find_redis, redis_cluster, redis_process, redis_server
from chassis.testing.services import running

__all__ = [
    "FakeClock",
    "PostgresProcess",
    "RedisProcess",
    "cluster_url",
    "find_postgres",
    "find_redis",
    "free_port",
    "postgres_server",
    "redis_cluster",
    "redis_process",
    "redis_server",
    "running",
    "short_directory",
    "wait_for_port",
]
