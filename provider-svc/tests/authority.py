"""A certificate for tests of TLS, made by openssl and thrown away."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass

import pytest

NEW_KEY = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]


@dataclass(frozen=True)
class Authority:
    """A certificate that signs itself, for `localhost`."""

    certificate: str
    key: str

    def context(self, *protocols: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        context.set_alpn_protocols(protocols or ["h2", "http/1.1"])
        return context


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    directory = tmp_path_factory.mktemp("authority")
    made = Authority(str(directory / "cert.pem"), str(directory / "key.pem"))
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*NEW_KEY, *subject, "-keyout", made.key, "-out", made.certificate], check=True, capture_output=True, timeout=30
    )
    return made
