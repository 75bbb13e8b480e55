"""Authorities, and folders with the certificates that they issued."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chassis.config.schema import MeshTls
from chassis.mesh_security.certificate import CertificateFiles
from chassis.mesh_security.issuing import Authority

DOMAIN = "runestone.local"
LIFE = timedelta(days=10)


def new_authority() -> Authority:
    return Authority.create(datetime.now(UTC), LIFE)


@dataclass
class Folder:
    """`{service}/tls.crt` and so on, each written in one step."""

    path: Path
    authority: Authority

    @property
    def tls(self) -> MeshTls:
        place = f"{self.path}/{{service}}"
        return MeshTls(cert=f"{place}/tls.crt", key=f"{place}/tls.key", ca=f"{place}/ca.crt")

    def files(self, service: str) -> CertificateFiles:
        return CertificateFiles.of(service, cert=self.tls.cert, key=self.tls.key, ca=self.tls.ca)

    def issue(
        self,
        service: str,
        *,
        authority: Authority | None = None,
        says: str | None = None,
        domain: str = DOMAIN,
        now: datetime | None = None,
        trusts: tuple[Authority, ...] = (),
    ) -> None:
        """Writes the files of `service`, in which `says` stands where the certificate is another's."""
        signer = authority or self.authority
        issued = signer.issue(says or service, domain, now or datetime.now(UTC), LIFE)
        self.trust(service, *(trusts or (self.authority,)))
        self.write(service, "tls.key", issued.key)
        self.write(service, "tls.crt", issued.certificate)

    def trust(self, service: str, *authorities: Authority) -> None:
        self.write(service, "ca.crt", b"".join(one.pem.certificate for one in authorities))

    def write(self, service: str, name: str, text: bytes) -> None:
        path = self.path / service / name
        path.parent.mkdir(exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_bytes(text)
        draft.replace(path)
