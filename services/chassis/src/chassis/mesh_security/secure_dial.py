"""Channels to one service over TLS, both ends with a certificate."""

import grpc
import grpc.aio

from chassis.dialing import PLAINLY, channel_options
from chassis.mesh_security.certificate import Certificate
from chassis.mesh_security.kept_certificate import KeptCertificate


class SecureDial:
    """The callee must show a certificate for `name`, whatever address is dialled: pods come and go under addresses that nobody certifies.
    A unix socket is dialled in the clear. Channels to one address share a connection as long as the certificate is the same."""

    def __init__(self, certificate: KeptCertificate, name: str) -> None:
        self._certificate = certificate
        self._options = [*channel_options(), ("grpc.ssl_target_name_override", name)]
        self._made: tuple[Certificate, grpc.ChannelCredentials] | None = None

    @property
    def edition(self) -> object:
        """The certificate that a channel would be opened with now."""
        return self._certificate.current

    def open(self, address: str) -> grpc.aio.Channel:
        """A channel to `unix:/path` or `host:port`."""
        if address.startswith("unix:"):
            return PLAINLY.open(address)
        return grpc.aio.secure_channel(address, self._credentials(), options=self._options)

    def _credentials(self) -> grpc.ChannelCredentials:
        now = self._certificate.current
        if self._made is None or self._made[0] is not now:
            self._made = now, grpc.ssl_channel_credentials(now.authorities, now.key, now.chain)
        return self._made[1]

    def __repr__(self) -> str:
        return f"SecureDial({self._certificate!r})"
