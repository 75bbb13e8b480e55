"""Client certificates: the proxy in front has checked them, and names whose they are."""

from collections.abc import Iterable

from chassis.config.authentication import CertifiedClient
from gateway_edge.auth.forwarded_certificate import HEADER, ForwardedCertificate, read_certificate
from gateway_edge.auth.refusal import CERTIFICATE, refusal
from gateway_edge.call import Arrival, Call
from gateway_edge.callers.tenants import Authority, Principal

BELOW = "/*"


class ClientCertificate:
    """Takes the word of trusted proxies; from anybody else the header is no credentials. Exact names go before paths, and of those
    the longest."""

    kind = "a client certificate"

    def __init__(self, clients: Iterable[CertifiedClient], authority: Authority) -> None:
        self._by_subject: dict[str, Principal] = {}
        self._by_uri: dict[str, Principal] = {}
        for client in clients:
            principal = authority.member(client.tenant, client.key)
            if principal is not None:
                names, name = (self._by_uri, client.uri) if client.uri else (self._by_subject, client.subject)
                names[name or ""] = principal

    def are_presented(self, arrival: Arrival) -> bool:
        """Whether a trusted proxy names one."""
        return arrival.is_proxied and HEADER in arrival.headers

    async def verify(self, call: Call) -> Principal:
        """Who shows it."""
        certificate = read_certificate(call.arrival.headers[HEADER])
        principal = self._find(certificate)
        if principal is None:
            raise refusal(CERTIFICATE, "the client certificate is nobody's that is known here")
        return principal

    def _find(self, certificate: ForwardedCertificate) -> Principal | None:
        if (found := self._find_uri(certificate.uri)) is not None:
            return found
        return self._by_subject.get(certificate.subject) if certificate.subject else None

    def _find_uri(self, uri: str) -> Principal | None:
        if uri in self._by_uri:
            return self._by_uri[uri]
        stem, slash, _ = uri.rpartition("/")
        while slash:
            if stem + BELOW in self._by_uri:
                return self._by_uri[stem + BELOW]
            stem, slash, _ = stem.rpartition("/")
        return None
