"""Tenants and keys as operators and clients have them: made by command, kept apart whatever they are called."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from real_mesh import RUNESTONE, Mesh, mesh_running

SIM = {"provider": "sim", "model": "simulated"}
MODELS = [{"name": name, "targets": [SIM]} for name in ("simulated", "fast", "fast-preview")]
NAMES = ("acme", "acme.ci", "acme-ci", "ac", "ci")  # prefixes of each other, and each with keys called like the others
PER = [{"models": ["sim/*"], "requests_per_minute": 2}, {"models": ["fast*"], "requests_per_minute": 1}]


def secret_of(tenant: str, key: str = "ci") -> str:
    return f"secret-of-{tenant}-{key}-0123456789"


def ask_for(model: str = "simulated", **members: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": uuid.uuid4().hex}], **members}


@pytest.fixture(scope="module")
def crowded() -> Iterator[Mesh]:
    """Tenants with alike names, each with its own models and limits."""
    tenants = [
        {
            "name": name,
            "keys": [{"name": key, "secret": secret_of(name, key)} for key in ("ci", "acme")],
            "scopes": {"models": ["simulated", "fast"] if name == "acme" else ["simulated", f"sim/{name}"]},
            "limits": {"requests_per_minute": 3},
        }
        for name in NAMES
    ]
    tenants.append({"name": "parts", "keys": [{"name": "ci", "secret": secret_of("parts")}], "limits": {"per": PER}})
    with mesh_running(models=MODELS, tenants=tenants) as mesh:
        yield mesh


class Caller:
    """A client with one key."""

    def __init__(self, mesh: Mesh, secret: str) -> None:
        self._mesh, self._headers = mesh, {"authorization": f"Bearer {secret}"}

    async def post(self, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        async with aiohttp.ClientSession(self._mesh.url, headers=self._headers) as session:
            async with session.post("/v1/chat/completions", json=body) as answer:
                return answer.status, await answer.json(), {k.lower(): v for k, v in answer.headers.items()}

    async def list_models(self) -> list[str]:
        async with aiohttp.ClientSession(self._mesh.url, headers=self._headers) as session:
            async with session.get("/v1/models") as answer:
                return [model["id"] for model in (await answer.json())["data"]]


async def test_tenants_with_alike_names_share_neither_answers_nor_limits_nor_records(crowded: Mesh) -> None:
    """Each asks the same question twice: its own second is the hit. One uses its limit up, and only its own is."""
    question = ask_for(temperature=0)
    ids: dict[str, list[str]] = {}
    for tenant in NAMES:
        caller = Caller(crowded, secret_of(tenant))
        answers = [await caller.post(question) for _ in range(2)]
        assert [headers["x-cache"] for _, _, headers in answers] == ["MISS", "HIT"], tenant
        assert answers[-1][2]["x-ratelimit-remaining-requests"] == "1", tenant
        ids[tenant] = [headers["x-request-id"] for _, _, headers in answers]
    used_up = Caller(crowded, secret_of("acme", "acme"))
    assert [(await used_up.post(question))[0] for _ in range(2)] == [200, 429]
    assert (await Caller(crowded, secret_of("acme.ci")).post(question))[0] == 200
    for tenant in NAMES:
        assert crowded.audit(ids[tenant][0]).tenant == tenant
        assert {record.tenant for record in crowded.audit_records(tenant=tenant)} == {tenant}


async def test_each_tenant_sees_its_own_models(crowded: Mesh) -> None:
    assert await Caller(crowded, secret_of("acme")).list_models() == ["simulated", "fast"]
    assert await Caller(crowded, secret_of("ac")).list_models() == ["simulated"]
    status, refused, _ = await Caller(crowded, secret_of("ac")).post(ask_for("fast"))
    assert (status, refused["error"]["code"]) == (404, "model_not_found")


async def test_a_limit_for_some_models_counts_them_together_whatever_they_are_called(crowded: Mesh) -> None:
    caller = Caller(crowded, secret_of("parts"))
    names = ("sim/words=1", "sim/words=2", "sim/words=3", "simulated", "fast", "fast-preview", "simulated")
    answers = [await caller.post(ask_for(name)) for name in names]
    assert [status for status, _, _ in answers] == [200, 200, 429, 200, 200, 429, 200]
    assert "this tenant (sim/*): 2 requests per minute" in answers[2][1]["error"]["message"]
    assert 0 < int(answers[2][2]["retry-after-ms"]) <= 30_000


@pytest.fixture
def operator(tmp_path: Path) -> "Operator":
    return Operator(tmp_path)


class Operator:
    """Makes keys by command, for a mesh that is not running yet."""

    def __init__(self, folder: Path) -> None:
        self.tenants = [{"name": "acme", "keys_file": str(folder / "acme.yaml")}]
        self._config = folder / "runestone.yaml"
        self._config.write_text(json.dumps({"tenants": self.tenants}))

    def keys(self, *arguments: str) -> dict[str, Any]:
        command = [str(RUNESTONE), "keys", *arguments, "--config", str(self._config), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


async def test_keys_that_commands_made_rotated_and_revoked(operator: Operator) -> None:
    first = operator.keys("create", "--name", "app", "--models", "simulated")["secret"]
    second = operator.keys("rotate", "--name", "app")["secret"]
    once = operator.keys("create", "--name", "once")["secret"]
    now = operator.keys("rotate", "--name", "once", "--grace", "0s")["secret"]
    gone = operator.keys("create", "--name", "gone")["secret"]
    operator.keys("revoke", "--name", "gone")
    with mesh_running("--one-process", tenants=operator.tenants) as mesh:
        got = [(await Caller(mesh, secret).post(ask_for()))[0] for secret in (first, second, once, now, gone)]
        assert got == [200, 200, 401, 200, 401]
        assert (await Caller(mesh, first).post(ask_for("sim/words=1")))[0] == 404
        log = mesh.log.read_text()
    assert not any(secret in log for secret in (first, second, once, now, gone))


async def test_the_admin_key_of_the_data_directory_calls_as_the_administrator(crowded: Mesh) -> None:
    admin = Caller(crowded, (crowded.data_dir / "admin.key").read_text())
    status, _, headers = await admin.post(ask_for("fast-preview"))
    assert status == 200
    record = crowded.audit(headers["x-request-id"])
    assert (record.tenant, record.key) == ("admin", "admin")
