"""The certificate of the gRPC door, read anew when its files change."""

from pathlib import Path

import grpc
import msgspec

from chassis.config.schema import Tls
from chassis.logs import Logger
from chassis.server_credentials import follow_credentials
from gateway_edge.http1.tls import keep_certificate, open_context

SETTING = "edge.grpc.tls"


class Pem(msgspec.Struct, frozen=True, kw_only=True):
    """What the files hold."""

    chain: bytes
    key: bytes
    authority: bytes | None


def open_credentials(tls: Tls, log: Logger) -> grpc.ServerCredentials:
    """With `ca` callers must show a certificate of that authority. A change that cannot be used is logged, and what was before stays in use.
    Raises OSError for files that cannot be used to begin with."""

    def read() -> Pem:
        open_context(tls, SETTING)  # gRPC would not say what is wrong with them
        authority = Path(tls.ca).read_bytes() if tls.ca else None
        return Pem(chain=Path(tls.cert).read_bytes(), key=Path(tls.key).read_bytes(), authority=authority)

    kept = keep_certificate(tls, read, SETTING, log)
    return follow_credentials(lambda: kept.current, _configure, verifies_callers=bool(tls.ca))


def _configure(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], root_certificates=pem.authority)
