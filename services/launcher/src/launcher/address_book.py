"""Where the services are that a command asks, and how it speaks to them: those of the mesh that runs here, else those that the
configuration names."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chassis.config import Settings
from chassis.config.document import read_document
from chassis.config.schema import Mesh
from chassis.config.shapes import convert, find_type_errors
from chassis.dialing import PLAINLY, Dial
from chassis.logs import get_logger
from chassis.mesh_security.certificate import CertificateError, CertificateFiles, read_certificate
from chassis.mesh_security.identity import dns_name
from chassis.mesh_security.kept_certificate import KeptCertificate
from chassis.mesh_security.secure_dial import SecureDial
from launcher.configuration import find_config, find_data_dir, read_text
from launcher.errors import LaunchError
from launcher.meshfile import TlsFiles, find_mesh
from launcher.plan import DEFAULT_PORTS, find_peer
from launcher.rundir import is_locked

OPERATOR = "operator"
DialEach = Callable[[str], Dial]  # by the service's name


@dataclass(frozen=True, slots=True)
class AddressBook:
    """`services` are addresses by name; `dial` says how channels to one are opened."""

    services: Mapping[str, str]
    dial: DialEach


def dial_plainly(_service: str) -> Dial:
    """Every service in the clear."""
    return PLAINLY


def open_address_book(data_dir: Path | None, environment: Mapping[str, str] = os.environ) -> AddressBook:
    """The book of the mesh that runs on the data directory; where none does and RUNESTONE_CONFIG names a file with endpoints, that
    of the services there, which run on their own. Raises LaunchError when there is neither, and for certificates that cannot be used."""
    where = find_data_dir(data_dir)
    mesh = None if is_locked(where) else _find_named_mesh(environment)
    if mesh is None:
        running = find_mesh(where)
        return AddressBook(running.services, dial_with(running.tls, environment))
    services = {name: find_peer(name, Settings(mesh=mesh)) for name in DEFAULT_PORTS}
    return AddressBook(services, dial_with(operators_files(mesh), environment))


def operators_files(mesh: Mesh) -> TlsFiles | None:
    """The files that whoever operates the mesh shows himself by."""
    if mesh.tls is None:
        return None
    tls = mesh.tls
    files = CertificateFiles.of(OPERATOR, cert=tls.cert, key=tls.key, ca=tls.ca)
    paths = {name: str(getattr(files, name).absolute()) for name in ("cert", "key", "ca")}
    return TlsFiles(**paths, trust_domain=tls.trust_domain)


def dial_with(tls: TlsFiles | None, environment: Mapping[str, str] = os.environ) -> DialEach:
    """Channels made with the operator's certificate, or that of RUNESTONE_TLS_CERT, _KEY and _CA; in the clear where the mesh has no
    TLS. Raises LaunchError for files that cannot be used."""
    if tls is None:
        return dial_plainly
    named = {
        name: environment.get(f"RUNESTONE_TLS_{name.upper()}") or getattr(tls, name) for name in ("cert", "key", "ca")
    }
    try:
        files = CertificateFiles.of(OPERATOR, **named)
        certificate = KeptCertificate(files, read_certificate, get_logger("launcher"))
    except CertificateError as error:
        raise LaunchError(f"mesh.tls.{error.setting}: {error}") from error
    return lambda service: SecureDial(certificate, dns_name(service, tls.trust_domain))


def _find_named_mesh(environment: Mapping[str, str]) -> Mesh | None:
    """The section `mesh` of the file, where it says how services that run on their own are reached. What else is in the file, and the
    secrets that this command may not have, do not matter."""
    if not environment.get("RUNESTONE_CONFIG"):
        return None
    path = find_config(None, environment)
    document = read_document(read_text(path), environment)
    section = document.values.get("mesh", {}) if isinstance(document.values, dict) else {}
    problems = [problem for problem in document.problems if problem.path[:1] in ((), ("mesh",))]
    problems += [document.problem(("mesh", *at), message) for at, message in find_type_errors(section, Mesh)]
    if problems:
        raise LaunchError("\n".join(problem.tell(path) for problem in problems))
    mesh = convert(section, Mesh)
    return mesh if any(getattr(mesh, name).endpoints for name in DEFAULT_PORTS) else None
