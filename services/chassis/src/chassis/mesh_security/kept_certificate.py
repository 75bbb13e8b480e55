"""The certificate in use. Its files are looked at whenever a connection is made: three looks at the file system's cache, no task and no
watch, and what lies there now is what the next connection is made with."""

import threading
from collections.abc import Callable

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
        self._files = files
        self._read = read
        self._log = log
        self._note = note
        self._lock = threading.Lock()
        self._seen = files.look()
        self._current = read(files)

    @property
    def current(self) -> Certificate:
        """What to make the next connection with: the same object as long as nothing has changed."""
        with self._lock:
            if (now := self._files.look()) != self._seen:
                self._seen = now  # as it was before reading: what changes meanwhile is read once more
                self._read_again()
            return self._current

    def _read_again(self) -> None:
        try:
            found = self._read(self._files)
        except CertificateError as error:
            self._note("refused")
            self._log.error("certificate refused; the one before stays in use", reason=str(error))
            return
        if found != self._current:
            self._current = found
            self._note("reloaded")
            self._log.info("certificate reloaded", expires_at=found.expires_at.isoformat())

    def __repr__(self) -> str:
        return f"KeptCertificate({self._current!r})"
