"""TLS, in front and inside. Certificates come from files over SDS, so that a renewed one is used for the next connection. Pure."""

from launcher.envoy.anytype import typed
from launcher.envoy.site import Certificate, Document, MeshTls

TLS = "extensions.transport_sockets.tls.v3"
FRONT, OWN, AUTHORITY = "front", "envoy", "authority"  # the names of secrets


def front_socket(alpn: list[str]) -> Document:
    """What clients meet: TLS 1.2 at least, with the front's certificate."""
    common = {
        "alpn_protocols": alpn,
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": FRONT}],
    }
    return _socket("DownstreamTlsContext", common_tls_context=common)


def inner_socket(tls: MeshTls) -> Document:
    """What callers inside meet: they must show a certificate of the mesh's authority."""
    common = {
        "alpn_protocols": ["h2"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": OWN}],
        "validation_context_sds_secret_config": {"name": AUTHORITY},
    }
    del tls  # its files are the secrets
    return _socket("DownstreamTlsContext", require_client_certificate=True, common_tls_context=common)


def upstream_socket(tls: MeshTls, service: str, alpn: str) -> Document:
    """How Envoy calls `service`: with its own certificate, and only where the other's names that service."""
    name = f"{service}.{tls.trust_domain}"
    expected = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}]}
    common = {
        "alpn_protocols": [alpn],
        "tls_certificate_sds_secret_configs": [{"name": OWN}],
        "combined_validation_context": {
            "default_validation_context": expected,
            "validation_context_sds_secret_config": {"name": AUTHORITY},
        },
    }
    return _socket("UpstreamTlsContext", sni=name, common_tls_context=common)


def write_secrets(certificate: Certificate, tls: MeshTls | None) -> list[Document]:
    """The files behind the names."""
    secrets = [_pair(FRONT, certificate.folder, certificate.cert, certificate.key)]
    if tls is not None:
        secrets.append(_pair(OWN, tls.folder, "tls.crt", "tls.key"))
        trusted = {"trusted_ca": _file(tls.folder, tls.ca), "watched_directory": {"path": tls.folder}}
        secrets.append({"name": AUTHORITY, "validation_context": trusted})
    return secrets


def _pair(name: str, folder: str, cert: str, key: str) -> Document:
    pair = {"certificate_chain": _file(folder, cert), "private_key": _file(folder, key)}
    return {"name": name, "tls_certificate": pair | {"watched_directory": {"path": folder}}}


def _file(folder: str, name: str) -> Document:
    return {"filename": f"{folder}/{name}"}


def _socket(kind: str, **fields: object) -> Document:
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed(f"{TLS}.{kind}", **fields)}
