"""Whether one process takes calls: what its grpc.health.v1 says, or its readiness URL. Asked by container engines every few seconds,
so that nothing is imported but what the question takes: as `python -m launcher.health`, which asks what RUNESTONE_HEALTH names and answers by
its exit code, it costs a third of `runestone health`."""

import http.client
import os
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from launcher.errors import LaunchError

SERVING = "SERVING"
NOT_SERVING = "NOT_SERVING"
UNREACHABLE = "UNREACHABLE"
PATIENCE = 3.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was answered. `status` is one of grpc.health.v1's, or UNREACHABLE; `detail` says why it is not SERVING."""

    address: str
    status: str
    detail: str = ""

    @property
    def is_serving(self) -> bool:
        """Whether calls may go there."""
        return self.status == SERVING


def ask_health(address: str, *, service: str = "", timeout: float = PATIENCE) -> Health:
    """The health of what listens at `address`: `host:port` and `unix:/path` speak gRPC, `http://` is a readiness URL. Within `timeout` seconds.

    `service` is the name that is asked of grpc.health.v1; empty for the whole process. Raises LaunchError for an address that is none.
    """
    if address.startswith("http://"):
        return _ask_http(address, timeout)
    if ":" not in address or "://" in address:
        raise LaunchError(f"{address} is not an address: give host:port, unix:/path or http://host:port/path")
    return _ask_grpc(address, service, timeout)


def _ask_grpc(address: str, service: str, timeout: float) -> Health:
    request = health_pb2.HealthCheckRequest(service=service)
    with grpc.insecure_channel(address) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(request, timeout=timeout)  # type: ignore[attr-defined]  # its types leave the rpcs out
        except grpc.RpcError as error:
            return Health(address=address, status=UNREACHABLE, detail=f"{error.code().name}: {error.details()}")
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return Health(address=address, status=status)


def _ask_http(url: str, timeout: float) -> Health:
    """200 is ready; whatever else is answered is not (https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/)."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}")
        code = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Health(address=url, status=UNREACHABLE, detail=f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    return Health(address=url, status=SERVING) if code == http.client.OK else _refused(url, code)


def _refused(url: str, code: int) -> Health:
    return Health(address=url, status=NOT_SERVING, detail=f"HTTP {code}")


if __name__ == "__main__":
    answered = ask_health(os.environ["RUNESTONE_HEALTH"])
    print(answered.status, answered.detail)
    sys.exit(not answered.is_serving)
