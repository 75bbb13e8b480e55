"""What an image holds beside its service: no secret, nothing of the machine that built it; and it runs as whomever one likes."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from containers.engine import OURS
from containers.orphans import LABELS
from containers.part import HARDENED, PATIENCE

pytestmark = [pytest.mark.usefixtures("engine"), pytest.mark.timeout(240)]

CONFIG = """\
edge: {admin: {key: an-admin-key-for-this-test}}
tenants: [{name: acme, keys: [{name: ci, secret: secret-of-sixteen-characters}]}]
"""
# Every file that is ours to answer for, whatever its name; and names that give themselves away.
SEARCH = r"""
import json, os, re
private = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
telling = re.compile(r"(^\.git$|^\.env|^\.netrc$|^pip\.conf$|^id_(rsa|ed25519)|\.(key|pfx|p12|kdbx)$|_history$)")
found = []
for top in ("/opt", "/var/lib/runestone", "/etc/runestone", "/root", "/home", "/src", "/wheels", "/uv", "/tree"):
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            if telling.search(name):
                found.append(path)
            elif name in files and not os.path.islink(path) and private.search(open(path, "rb").read()):
                found.append(path)
print(json.dumps(found))
"""


@contextmanager
def container(image: str, **options: object) -> Iterator[Container]:
    client = docker.from_env(timeout=120)
    made = client.containers.create(image, labels=LABELS, network_mode="none", **(HARDENED | options))
    try:
        made.start()
        yield made
    finally:
        made.remove(force=True, v=True)
        client.close()


@pytest.mark.parametrize("service", OURS)
def test_no_secret_and_nothing_of_its_making_is_in_an_image(service: str) -> None:
    with container(OURS[service], entrypoint=["python", "-c", SEARCH]) as searching:
        assert searching.wait(timeout=60)["StatusCode"] == 0, searching.logs()
        assert json.loads(searching.logs()) == []


@pytest.mark.parametrize("service", OURS)
def test_how_an_image_was_made_tells_no_secret(service: str) -> None:
    """Its history is public: proxies, indexes and tokens of the machine that built it stand in none of its steps."""
    client = docker.from_env()
    try:
        image = client.images.get(OURS[service])
        told = [step["CreatedBy"] for step in image.history()] + (image.attrs["Config"]["Env"] or [])
        before = client.images.get("python:3.11-slim-bookworm").attrs["Config"]["Env"] or []
    finally:
        client.close()
    secret = re.compile(r"(?i)(proxy|index[_-]?url|token|passw|secret|credential|api[_-]?key|://[^ /]*@)")
    assert [step for step in told if secret.search(step) and step not in before] == []


@pytest.mark.parametrize("service", OURS)
def test_an_image_runs_as_whoever_one_likes(service: str, tmp_path: Path) -> None:
    """As clusters do that give each namespace users of its own."""
    (tmp_path / "runestone.yaml").write_text(CONFIG)
    tmp_path.chmod(0o755)
    mounts = {str(tmp_path / "runestone.yaml"): {"bind": "/etc/runestone/runestone.yaml", "mode": "ro"}}
    tmpfs = {"/tmp": "mode=1777", "/var/lib/runestone": "uid=12345,gid=12345,mode=0700"}
    liveness = {"RUNESTONE_HEALTH": "http://127.0.0.1:4004/health/liveness"} if service == "edge" else {}
    with container(OURS[service], user="12345:12345", volumes=mounts, tmpfs=tmpfs, environment=liveness) as running:
        deadline = time.monotonic() + PATIENCE
        while running.exec_run(["python", "-m", "launcher.health"]).exit_code != 0:
            running.reload()
            assert running.status == "running", running.logs()
            assert time.monotonic() < deadline, running.logs()
        identity = running.exec_run(["python", "-c", "import os; print(os.getuid(), os.getgid())"]).output
        assert identity.split() == [b"12345", b"12345"]
        running.stop(timeout=30)
        running.reload()
        assert running.attrs["State"]["ExitCode"] == 0, running.logs()
