"""Where commands find the services: a mesh that runs here, or the file of services that run on their own."""

from pathlib import Path

import pytest
from tls_folder import Folder, new_authority

from chassis.dialing import PLAINLY
from chassis.mesh_security.secure_dial import SecureDial
from launcher.address_book import dial_with, open_address_book
from launcher.errors import LaunchError
from launcher.meshfile import TlsFiles

CONFIG = """\
providers: [{name: openai, kind: openai, api_key: "${A_SECRET_THAT_ONLY_PROVIDER_SVC_HAS}"}]
mesh:
  cache: {endpoints: [cache.mesh]}
"""


def write(folder: Path, text: str) -> dict[str, str]:
    (folder / "r.yaml").write_text(text)
    return {"RUNESTONE_CONFIG": str(folder / "r.yaml")}


def test_services_on_their_own_are_found_by_the_file_whatever_secrets_are_not_there(tmp_path: Path) -> None:
    book = open_address_book(tmp_path / "d", write(tmp_path, CONFIG))
    assert book.services["cache"] == "cache.mesh:50051"
    assert book.services["audit"] == "127.0.0.1:50054"
    assert book.dial("cache") is PLAINLY


@pytest.mark.parametrize("text", ["", "edge: {workers: 2}"])
def test_a_file_without_endpoints_is_a_mesh_that_would_run_here(tmp_path: Path, text: str) -> None:
    with pytest.raises(LaunchError, match="no mesh runs on"):
        open_address_book(tmp_path / "d", write(tmp_path, text))


def test_what_is_wrong_with_the_section_is_told(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match=r"r\.yaml: line 1: mesh\.cach: unknown key"):
        open_address_book(tmp_path / "d", write(tmp_path, "mesh: {cach: {endpoints: [a]}}"))


def test_the_operators_certificate_is_shown_or_the_one_that_the_environment_names(tmp_path: Path) -> None:
    folder = Folder(tmp_path, new_authority())
    folder.issue("operator")
    place = str(folder.files("operator").cert)
    files = {name: str(getattr(folder.files("operator"), name)) for name in ("cert", "key", "ca")}
    assert isinstance(dial_with(TlsFiles(**files, trust_domain="runestone.local"), {})("cache"), SecureDial)
    missing = TlsFiles(**{**files, "cert": "/nowhere/tls.crt"}, trust_domain="runestone.local")
    with pytest.raises(LaunchError, match=r"mesh\.tls\.cert: /nowhere/tls\.crt: cannot be read"):
        dial_with(missing, {})
    assert isinstance(dial_with(missing, {"RUNESTONE_TLS_CERT": place})("cache"), SecureDial)
