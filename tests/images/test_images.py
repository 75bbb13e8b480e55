"""The images that `make images` built, as a container engine sees them: what they hold, as whom and with how little they run."""

import json
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launcher.topology import TOPOLOGY

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
FOLDERS = {node.name: node.module.replace("_", "-") for node in TOPOLOGY}
ALLOWED = 90 << 20  # bytes above the base
CONFIG = """\
edge: {admin: {key: an-admin-key-for-this-test}}
tenants: [{name: acme, keys: [{name: ci, secret: secret-of-sixteen-characters}]}]
"""


def docker(*words: str, timeout: float = 60) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def is_built(folder: str) -> bool:
    command = ["docker", "image", "inspect", f"runestone/{folder}:{VERSION}"]
    return (
        shutil.which("docker") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


pytestmark = [
    pytest.mark.skipif(
        not all(is_built(folder) for folder in FOLDERS.values()), reason="Docker has no images of ours: `make images`"
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture(params=FOLDERS)
def service(request) -> str:
    return request.param


@pytest.fixture
def image(service) -> str:
    return f"runestone/{FOLDERS[service]}:{VERSION}"


@pytest.fixture
def config(tmp_path) -> Path:
    path = tmp_path / "runestone.yaml"
    path.write_text(CONFIG)
    path.chmod(0o444)
    return path


def inspect(image: str) -> dict:
    return json.loads(docker("image", "inspect", image))[0]


@contextmanager
def running(image: str, config: Path, *options: str) -> Iterator[str]:
    """With nothing that it does not need: no network, no capability, a root that cannot be written."""
    bare = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
    mounts = ("--tmpfs", "/tmp", "--volume", f"{config}:/etc/runestone/runestone.yaml:ro")
    container = docker("run", "--detach", *bare, *mounts, *options, image)
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container)


def ask_state(container: str) -> dict:
    return json.loads(docker("inspect", container))[0]["State"]


def wait_until(container: str, health: str) -> None:
    end = time.monotonic() + 120
    while (state := ask_state(container))["Health"]["Status"] != health:
        assert state["Running"], docker("logs", container)
        assert time.monotonic() < end, state
        time.sleep(0.2)


def test_an_image_says_what_it_is(service, image):
    settings = inspect(image)["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in settings["Labels"].items()}
    assert labels["title"] == f"runestone/{FOLDERS[service]}"
    assert labels["version"] == VERSION
    assert labels["licenses"] == "Apache-2.0"
    assert len(labels["revision"]) == 40
    assert f"RUNESTONE_REVISION={labels['revision']}" in settings["Env"]  # traces and metrics say it
    assert settings["User"] == "65532:65532"
    assert settings["Entrypoint"] == ["runestone", "serve", service]
    assert settings["StopSignal"] == "SIGTERM"
    assert settings["Healthcheck"]["Test"][0] == "CMD"


def test_an_image_is_not_larger_than_allowed(image):
    """The base is made otherwise here and there; what is copied onto it is ours: the environment, and the data directory."""
    history = docker("history", "--no-trunc", "--human=false", "--format", "{{json .}}", image)
    layers = [json.loads(line) for line in history.splitlines()]
    ours = [int(layer["Size"]) for layer in layers if "COPY" in layer["CreatedBy"]][:2]
    assert len(ours) == 2
    assert sum(ours) <= ALLOWED


def test_an_image_holds_its_own_service_and_no_tools(service, image):
    code = (
        "import importlib.util, json, shutil;"
        f"names = {[node.module for node in TOPOLOGY]};"
        "print(json.dumps([[n for n in names if importlib.util.find_spec(n)],"
        "[t for t in ('uv', 'ruff', 'pytest', 'mypy', 'gcc', 'strip') if shutil.which(t)]]))"
    )
    found = docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", code)
    module = next(node.module for node in TOPOLOGY if node.name == service)
    assert json.loads(found) == [[module], []]


def test_it_serves_with_nothing_that_it_does_not_need_and_stops_at_once(image, config):
    """The edge is alive without its peers, and says that it is not ready."""
    is_edge = "gateway-edge" in image
    options = ("--env", "RUNESTONE_HEALTH=http://127.0.0.1:4004/health/liveness") if is_edge else ()
    with running(image, config, "--health-interval", "1s", *options) as container:
        wait_until(container, "healthy")
        docker("stop", "--time", "30", container)
        state = ask_state(container)
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), docker("logs", container)


def test_a_service_that_stops_answering_is_unhealthy(config):
    image = f"runestone/cache-svc:{VERSION}"
    quick = (
        "--health-interval",
        "1s",
        "--health-timeout",
        "5s",
        "--health-retries",
        "1",
        "--health-start-period",
        "0s",
    )
    with running(image, config, "--env", "RUNESTONE_HEALTH=127.0.0.1:1", *quick) as container:
        wait_until(container, "unhealthy")


def test_the_same_commit_gives_the_same_files():
    """The smallest is built anew, from the first step on."""
    build, compare = ROOT / "deploy/docker/build.py", ROOT / "deploy/docker/compare.py"
    revision = inspect(f"runestone/audit-svc:{VERSION}")["Config"]["Labels"]["org.opencontainers.image.revision"]
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.strip()
    if revision != head:
        pytest.skip("the images are another commit's: `make images`")
    again = ["python3", str(build), "audit-svc", "--tag", "again", "--no-cache"]
    subprocess.run(again, check=True, capture_output=True, timeout=500)
    try:
        names = [f"runestone/audit-svc:{tag}" for tag in (VERSION, "again")]
        compared = subprocess.run(["python3", str(compare), *names], capture_output=True, text=True, check=False)
        assert (compared.returncode, compared.stderr) == (0, "")
    finally:
        docker("rmi", "runestone/audit-svc:again")
