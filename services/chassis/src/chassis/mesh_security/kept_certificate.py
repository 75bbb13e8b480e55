"""The certificate in use: what lies in its files now is what the next connection is made with."""

from collections.abc import Callable

from chassis.kept_files import KeptFiles
from chassis.logs import Logger
from chassis.mesh_security.certificate import Certificate, CertificateError, CertificateFiles

Read = Callable[[CertificateFiles], Certificate]
Note = Callable[[str], None]


class KeptCertificate:
    """Read once when it is made, which raises CertificateError, and again when a file has changed. A change that cannot be used is
    logged and noted (`refused`, beside `reloaded`), and the certificate before it stays in use.

    gRPC asks from threads of its own: any may ask.
    """

    def __init__(self, files: CertificateFiles, read: Read, log: Logger, note: Note = lambda _outcome: None) -> None:
        self._log = log
        self._note = note
        self._files = KeptFiles(
            files.paths, lambda: read(files), taken=self._say_taken, refused=self._say_refused, refusal=CertificateError
        )

    @property
    def current(self) -> Certificate:
        """What to make the next connection with: the same object as long as nothing has changed."""
        return self._files.current

    def _say_taken(self, found: Certificate) -> None:
        self._note("reloaded")
        self._log.info("certificate reloaded", expires_at=found.expires_at.isoformat())

    def _say_refused(self, error: Exception) -> None:
        self._note("refused")
        self._log.error("certificate refused; the one before stays in use", reason=str(error))

    def __repr__(self) -> str:
        return f"KeptCertificate({self._files!r})"
