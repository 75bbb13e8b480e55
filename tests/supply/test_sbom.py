"""What is said to be shipped is what the lock ships, and says the same whenever it is made."""

import json
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from supply.lock import list_shipped
from supply.sbom import PARTS, settle

ROOT = Path(__file__).parents[2]
UV = ROOT / ".tools" / "bin" / "uv"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make(out):
    if not UV.exists():
        pytest.skip("the pinned uv is not here; `make test` installs it")
    command = [sys.executable, "-m", "supply.sbom", "--uv", str(UV), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=50, stdout=subprocess.DEVNULL)
    return {path.name.removesuffix(".cdx.json"): path.read_bytes() for path in out.iterdir()}


def test_each_part_names_all_that_it_ships_with_a_digest_and_twice_the_same(tmp_path):
    documents = make(tmp_path / "one")
    assert documents == make(tmp_path / "two")
    assert documents.keys() == PARTS.keys()
    whole = json.loads(documents["runestone"])
    assert (whole["bomFormat"], whole["specVersion"], whole["metadata"]["component"]["type"]) == (
        "CycloneDX",
        "1.5",
        "application",
    )
    components = {component["name"]: component for component in whole["components"]}
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    assert components.keys() == list_shipped(lock, ["runestone"]) - {"runestone"}
    foreign = [component for name, component in components.items() if not name.startswith("runestone-")]
    for component in foreign:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        files = component["externalReferences"]
        assert all(one["hashes"][0]["alg"] == "SHA-256" for one in files)
    for name, document in documents.items():
        assert "grpcio" in {component["name"] for component in json.loads(document)["components"]}, name


def test_a_document_does_not_depend_on_when_it_was_made_and_does_on_what_is_in_it():
    def draft(serial, moment, components):
        metadata = {"timestamp": moment, "component": {"type": "library", "name": "x", "bom-ref": "x"}}
        return {"serialNumber": serial, "metadata": metadata, "components": components}

    one, again, other = (
        settle(draft("urn:uuid:1", "now", ["a"]), "cache-svc", MOMENT),
        settle(draft("urn:uuid:2", "later", ["a"]), "cache-svc", MOMENT),
        settle(draft("urn:uuid:2", "later", ["b"]), "cache-svc", MOMENT),
    )
    assert one == again
    assert one["serialNumber"] != other["serialNumber"]
    assert one["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert one["metadata"]["component"] == {"type": "application", "name": "cache-svc", "bom-ref": "x"}
