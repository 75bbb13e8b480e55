"""What tests of every service need: a clock they own, a service on a socket of its own, a real Redis, or a cluster of them."""

from chassis.testing.clock import FakeClock
from chassis.testing.ports import free_port, short_directory, wait_for_port
from chassis.testing.redis import RedisProcess, cluster_url, find_redis, redis_cluster, redis_process, redis_server
from chassis.testing.services import running

__all__ = [
    "FakeClock",
    "RedisProcess",
    "cluster_url",
    "find_redis",
    "free_port",
    "redis_cluster",
    "redis_process",
    "redis_server",
    "running",
    "short_directory",
    "wait_for_port",
]
