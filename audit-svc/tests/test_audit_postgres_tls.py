"""TLS to PostgreSQL, as `sslmode` and `sslrootcert` say."""

import os
import subprocess

import pytest

from audit_svc.postgres_opening import connected
from audit_svc.store import Conditions
from chassis.clock import SystemClock
from chassis.errors import Reason, RunestoneError
from chassis.testing import find_postgres, postgres_server
from chassis.testing.postgres import UNPRIVILEGED

ALL = Conditions()


def make_certificate(directory, name: str, subject: str) -> None:
    """A key and a certificate that signs itself."""
    files = ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.crt"]
    names = ["-subj", "/CN=test", "-addext", f"subjectAltName={subject}"]
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    subprocess.run(["openssl", *kind, *names, *files], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Of the server, valid for 127.0.0.1 only; and another's."""
    directory = tmp_path_factory.mktemp("tls")
    make_certificate(directory, "server", "IP:127.0.0.1")
    make_certificate(directory, "other", "IP:127.0.0.1")
    return directory


@pytest.fixture(scope="module")
def encrypted(certificates):
    """A PostgreSQL that lets nobody in without TLS."""
    try:
        find_postgres()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with postgres_server(fsync="off") as server:
        data = server.directory / "data"
        for name in ("server.key", "server.crt"):
            (data / name).write_bytes((certificates / name).read_bytes())
            (data / name).chmod(0o600)
            if os.getuid() == 0:
                os.chown(data / name, UNPRIVILEGED, UNPRIVILEGED)
        (data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
        server.kill()
        server.settings = {"fsync": "off", "ssl": "on"}
        server.start()
        yield server


async def prepare(url: str) -> None:
    async with connected(url, SystemClock()) as store:
        await store.prepare()
        assert await store.search(ALL, before=None, limit=1) == []


async def test_a_server_that_proves_its_name_is_talked_to(encrypted, certificates):
    """`verify-full`: the certificate is one of ours, and of that host."""
    await prepare(f"{encrypted.url()}?sslmode=verify-full&sslrootcert={certificates}/server.crt")


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("127.0.0.1", "sslmode=verify-full&sslrootcert={}/other.crt"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert={}/other.crt"),
        ("localhost", "sslmode=verify-full&sslrootcert={}/server.crt"),
        ("127.0.0.1", "sslmode=disable"),
    ],
)
async def test_what_cannot_prove_it_is_unavailable(encrypted, certificates, host, options):
    """Another's certificate, another name, no TLS: no password and no record goes there."""
    url = f"{encrypted.url()}?{options.format(certificates)}".replace("127.0.0.1", host)
    with pytest.raises(RunestoneError) as caught:
        await prepare(url)
    assert caught.value.reason is Reason.UNAVAILABLE
