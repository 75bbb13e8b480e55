"""The certificates that `mesh.tls` names, as far as they are on this machine: what is wrong with them, and when they end."""

from collections.abc import Iterator, Sequence

from chassis.config.document import Finding
from chassis.config.schema import Mesh, MeshTls
from chassis.mesh_security.certificate import (
    PLACE,
    Certificate,
    CertificateError,
    CertificateFiles,
    check_owner,
    read_certificate,
)
from launcher.topology import TOPOLOGY

SERVICES = tuple(node.name for node in TOPOLOGY)


def find_certificate_problems(mesh: Mesh, services: Sequence[str] = SERVICES) -> Iterator[Finding]:
    """Everything that would keep one of `services` from starting. Files that all have the same name are somebody's, and nobody's in
    particular here: each service finds out for itself."""
    for _, found in read_certificates(mesh, services):
        if isinstance(found, CertificateError):
            yield ("mesh", "tls", found.setting), str(found)


def read_certificates(
    mesh: Mesh, services: Sequence[str] = SERVICES
) -> Iterator[tuple[str, Certificate | CertificateError]]:
    """Each certificate by the name of whose it is, "" where the paths do not say; or why it cannot be used."""
    tls = mesh.tls
    if tls is None:
        return
    for service in services if PLACE in tls.cert + tls.key + tls.ca else ("",):
        try:
            yield service, _read(tls, service)
        except CertificateError as error:
            yield service, error


def _read(tls: MeshTls, service: str) -> Certificate:
    files = CertificateFiles.of(service, cert=tls.cert, key=tls.key, ca=tls.ca)
    found = read_certificate(files)
    if service:
        check_owner(found, files, service, tls.trust_domain)
    return found
