"""A service that cannot start."""

from chassis.runtime import Runtime, Service


async def build(runtime: Runtime) -> None:
    raise OSError("the disk is on fire")


SERVICE = Service("provider", build)
