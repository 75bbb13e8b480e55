"""Every path of both ports, by every method, as everybody: what is not listed here is refused.

The paths come from the source: one that is added fails this test until its row says who may use it.
"""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from real_mesh import Mesh, mesh_running

import launcher
from chassis.config import Settings
from chassis.config.endpoints import ENDPOINTS
from chassis.keys import generate_key, hash_key
from chassis.snapshots import Snapshot
from gateway_edge.door.ways import Way
from gateway_edge.endpoints.stored import STORED
from gateway_edge.endpoints.table import ENDPOINTS as ASKED
from gateway_edge.pipeline import lay_pipelines
from gateway_edge.policy import Policy

PLAIN = "plain-key-0123456789"
KEYS = {
    "plain key": PLAIN,
    "admin key": "admin-key-0123456789",
    "expired key": "expired-key-0123456789",
    "key for another address": "elsewhere-key-0123456789",
    "key for models only": "models-key-0123456789",
    "key for chat only": "chat-key-0123456789",
    "key for another model": "other-model-key-0123456789",
    "key of a tenant for models only": "bound-key-0123456789",
    "wrong key": "wrong-key-0123456789",
    "key that was never made": generate_key(),
    "mistyped key": generate_key()[:-1] + "!",
    "hash of a key": hash_key(PLAIN),
    "nobody": None,
}
TENANTS = [
    {
        "name": "acme",
        "keys": [
            {"name": "plain", "secret": PLAIN},
            {"name": "expired", "secret": KEYS["expired key"], "expires_at": "2020-01-01T00:00:00Z"},
            {
                "name": "elsewhere",
                "secret": KEYS["key for another address"],
                "scopes": {"addresses": ["192.0.2.0/24", "::1"]},
            },
            {"name": "models", "secret": KEYS["key for models only"], "scopes": {"endpoints": ["/v1/models*"]}},
            {"name": "chat", "secret": KEYS["key for chat only"], "scopes": {"endpoints": ["/v1/chat/completions"]}},
            {"name": "other", "secret": KEYS["key for another model"], "scopes": {"models": ["claude"]}},
        ],
    },
    {
        "name": "bound",
        "scopes": {"endpoints": ["/v1/models*"]},
        "keys": [
            {
                "name": "wide",
                "secret": KEYS["key of a tenant for models only"],
                "scopes": {"endpoints": ["/v1/*"]},
            }
        ],
    },
]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY")
TURNS = [{"role": "user", "content": "hi"}]
# What the simulated model is asked, and answers.
QUESTIONS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": TURNS},
    "/v1/completions": {"prompt": "hi"},
    "/v1/responses": {"input": "hi"},
    "/v1/messages": {"messages": TURNS, "max_tokens": 50},
    "/v1/embeddings": {"input": "hi"},
    "/v1/moderations": {"input": "hi"},
    "/v1/rerank": {"query": "hi", "documents": ["hi"]},
}
BODIES = {path: json.dumps({"model": "simulated", **question}) for path, question in QUESTIONS.items()}
BODY = BODIES["/v1/chat/completions"]

# Who gets what else than 401. A role that is not named is refused with 401, a path that is not listed with REFUSED.
Row = dict[str, int]
ALL_MODELS = {"plain key": 200, "admin key": 200, "key for models only": 200, "key of a tenant for models only": 200}
EVERYBODY: Row = dict.fromkeys(KEYS, 200)
ONLY_ADMIN: Row = {**dict.fromkeys(KEYS, 403), "nobody": 401, "admin key": 200}
NOT_THERE: Row = {
    "key for another address": 403,
    "key for models only": 403,
    "key of a tenant for models only": 403,
}
# Where the model answers; elsewhere the body is refused, of whoever may ask there: `{}` names no model.
ANSWERED: Row = {
    **NOT_THERE,
    "plain key": 200,
    "admin key": 200,
    "key for another model": 404,
    "key for chat only": 403,
}
LET_IN: Row = {**NOT_THERE, "plain key": 400, "admin key": 400, "key for another model": 400, "key for chat only": 403}
# A stored response is there for whoever it belongs to, and here it belongs to nobody.
OWNED: Row = {
    **NOT_THERE,
    **dict.fromkeys(("plain key", "admin key", "key for another model"), 404),
    "key for chat only": 403,
}
CHAT = "/v1/chat/completions"
STREAM = "/v1/streams/{id}"
STEERING = tuple(f"{STREAM}/{action}" for action in ("pause", "resume", "cancel"))  # one endpoint to scopes
SOCKETS = {"/socket/websocket": "?vsn=2.0.0", "/v1/realtime": "?model=simulated", "/v1/responses": ""}
EDGE: dict[tuple[str, str], Row] = {
    **{("POST", path): ANSWERED if path in BODIES else LET_IN for path in ASKED},
    **dict.fromkeys(STORED, OWNED),
    ("GET", STREAM): OWNED,
    **{("POST", path): OWNED for path in STEERING},
    ("POST", CHAT): {**ANSWERED, "key for chat only": 200},
    ("GET", "/v1/models"): {
        **ALL_MODELS,
        "key for another model": 200,
        "key for another address": 403,
        "key for chat only": 403,
    },
    ("GET", "/v1/models/{id}"): {
        **ALL_MODELS,
        "key for another model": 404,
        "key for another address": 403,
        "key for chat only": 403,
    },
    ("GET", "/v1/openapi.json"): EVERYBODY,
}
ADMIN: dict[tuple[str, str], Row] = {
    ("GET", "/health/liveness"): EVERYBODY,
    ("GET", "/health/liveliness"): EVERYBODY,
    ("GET", "/health/readiness"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,
    ("GET", "/docs"): EVERYBODY,
    ("GET", "/openapi.json"): EVERYBODY,
    ("POST", "/admin/v1/reload"): ONLY_ADMIN,
    ("GET", "/admin/v1/cache"): ONLY_ADMIN,
    ("POST", "/admin/v1/cache/purge"): {**ONLY_ADMIN, "admin key": 400},  # `BODY` is not what it takes
    ("POST", "/admin/v1/cache/shred"): {**ONLY_ADMIN, "admin key": 400},
    ("GET", "/admin/v1/targets"): ONLY_ADMIN,
}
REFUSED = {400, 401, 403, 404, 405}

# What a reader who is generous with paths would take for one of those above.
LOOKALIKES = (
    *("/v1/chat/completions/", "//v1/chat/completions", "/V1/chat/completions", "/v1/chat%252Fcompletions"),
    *("/v1/v1/chat/completions", "/v1/./chat/completions", "/v1/x/../chat/completions", "/v1/chat/completions;x"),
    *("/v1/models/", "/v1/models/../chat/completions", "/v1/model", "/v1/chat", "/v1", "/", "/admin", "/admin/v1"),
    *("/admin/v1/keys", "/v1/files", "/v1/embedding", "/.env", "/debug", "/health"),
    *(
        "/openai",
        "/openai/",
        "/openai/v1",
        "/openai/admin/v1/reload",
        "/openai/openai/chat/completions",
        "/openaiv1/models",
    ),
    *("/openai/deployments/simulated", "/openai/deployments/simulated/messages", "/openai/deployments//embeddings"),
    *(
        "/deployments/simulated/embeddings",
        "/engines/simulated",
        "/v1/engines",
        "/v1/responses/",
        "/v1/responses/simulated/output_items",
        "/v1/responses/simulated/cancel/",
        "/openai/deployments/simulated/responses/simulated",
        "/v1/messages/batches",
    ),
    *("/admin/v1/cache/", "/admin/v1/cache/stats", "/admin/v1//cache", "/admin/v1/cache/purge/"),
)


class Absent:
    """Stands for every part behind the edge: pipelines are laid here, no call goes through them."""

    name = "absent"

    def __getattr__(self, name: str) -> "Absent":
        return self


def edge_routes() -> Mapping[tuple[str, str], Way]:
    absent: Any = Absent()
    return lay_pipelines(Policy.of(Snapshot("v", Settings()), 0.0), absent, absent).table


def admin_routes() -> set[tuple[str, str]]:
    """Those of the admin port: the desk of `runestone mesh` listens on a socket of its user's alone."""
    sources = Path(launcher.__file__).parent.glob("**/*.py")
    source = "".join(path.read_text() for path in sources if path.name != "desk.py")
    return {(method.upper(), path) for method, path in re.findall(r'router\.add_(\w+)\(\s*"([^"]+)"', source)}


class Client:
    """Sends paths as they are, over one connection; closed by who has it."""

    def __init__(self, address: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection(address["host"], address["port"], timeout=20)

    def ask(self, method: str, path: str, key: str | None, body: str = BODY) -> tuple[int, bytes]:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._connection.request(method, path, body if method in ("POST", "PUT", "PATCH", "QUERY") else None, headers)
        with self._connection.getresponse() as answer:
            return answer.status, answer.read()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Mesh]:
    edge = {
        "http": {"port": 0},
        "websocket": {"port": 0},
        "grpc": {"port": 0},
        "admin": {"port": 0, "key": KEYS["admin key"]},
    }
    with mesh_running("--one-process", edge=edge, tenants=TENANTS) as mesh:
        yield mesh


@pytest.fixture
def edge(guarded: Mesh) -> Iterator[Client]:
    with closing(Client(guarded.about["http"])) as client:
        yield client


@pytest.fixture
def admin(guarded: Mesh) -> Iterator[Client]:
    with closing(Client(guarded.about["admin"])) as client:
        yield client


def shake(address: dict[str, Any], path: str, key: str | None, headers: dict[str, str]) -> int:
    """The status of a WebSocket's handshake."""
    with closing(http.client.HTTPConnection(address["host"], address["port"], timeout=20)) as connection:
        credentials = {} if key is None else {"authorization": f"Bearer {key}"}
        connection.request("GET", path, headers=headers | credentials)
        return connection.getresponse().status


def spell(path: str) -> str:
    return path.replace("{id}", "simulated")


def test_every_path_of_the_source_has_its_row() -> None:
    assert set(edge_routes()) - {("*", "*")} == set(EDGE)
    assert admin_routes() == set(ADMIN)


def test_every_path_that_takes_a_key_can_be_named_in_a_scope() -> None:
    """And none is reached without finding out who calls."""
    keyed = {path for (_, path), way in edge_routes().items() if "identify" in way.pipeline.names}
    assert keyed - set(STEERING) | set(SOCKETS) == set(ENDPOINTS)


@pytest.mark.parametrize("path", SOCKETS)
def test_no_socket_opens_for_whom_its_path_is_not(guarded: Mesh, path: str) -> None:
    handshake = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for port in ("http", "websocket"):
        got = {role: shake(guarded.about[port], path + SOCKETS[path], key, handshake) for role, key in KEYS.items()}
        may_open = {role for role, status in got.items() if status not in {401, 403}}
        assert may_open == {"plain key", "admin key", "key for another model"}, (port, got)


@pytest.mark.parametrize("route", EDGE, ids=" ".join)
def test_each_path_of_the_edge_answers_each_caller_as_its_row_says(edge: Client, route: tuple[str, str]) -> None:
    method, path = route
    body = BODIES.get(path, "{}")
    bare = spell(path).removeprefix("/v1")
    for spelled in (spell(path), bare, *((f"/openai{bare}", f"/openai/v1{bare}") if path in ENDPOINTS else ())):
        got = {role: edge.ask(method, spelled, key, body)[0] for role, key in KEYS.items()}
        assert got == {role: EDGE[route].get(role, 401) for role in KEYS}, spelled


@pytest.mark.parametrize("before", ["/openai/deployments/simulated", "/engines/simulated"])
def test_a_path_that_names_its_model_answers_each_caller_as_that_of_chat(edge: Client, before: str) -> None:
    body = BODY.replace("simulated", "another")
    got = {role: edge.ask("POST", f"{before}/chat/completions", key, body)[0] for role, key in KEYS.items()}
    assert got == {role: EDGE["POST", CHAT].get(role, 401) for role in KEYS}


@pytest.mark.parametrize("route", ADMIN, ids=" ".join)
def test_each_path_of_the_admin_port_answers_each_caller_as_its_row_says(admin: Client, route: tuple[str, str]) -> None:
    method, path = route
    got = {role: admin.ask(method, path, key)[0] for role, key in KEYS.items()}
    assert got == {role: ADMIN[route].get(role, 401) for role in KEYS}


def unlisted(rows: dict[tuple[str, str], Row]) -> Iterator[tuple[str, str]]:
    """Every other method and path: those of either port, and those that look like them."""
    listed = {(method, spelled) for method, path in rows for spelled in (spell(path), spell(path).removeprefix("/v1"))}
    paths = {spelled for _, path in (*EDGE, *ADMIN) for spelled in (spell(path), spell(path).removeprefix("/v1"))}
    for method, path in product(METHODS, sorted(paths) + list(LOOKALIKES)):
        if (method, path) not in listed and not (method == "HEAD" and ("GET", path) in listed):
            yield method, path


@pytest.mark.parametrize(("port", "rows"), [("edge", EDGE), ("admin", ADMIN)])
def test_what_is_not_listed_is_refused_to_everybody(
    request: pytest.FixtureRequest, port: str, rows: dict[tuple[str, str], Row]
) -> None:
    client: Client = request.getfixturevalue(port)
    asked = [(method, path, role) for method, path in unlisted(rows) for role in ("nobody", "plain key", "admin key")]
    got = {(method, path, role): client.ask(method, path, KEYS[role])[0] for method, path, role in asked}
    assert len(got) > 500
    assert {cell: status for cell, status in got.items() if status not in REFUSED} == {}


def test_a_forbidden_model_is_refused_in_the_words_of_one_that_does_not_exist(edge: Client) -> None:
    said = {
        edge.ask("GET", f"/v1/models/{model}", KEYS["key for another model"])[1].replace(model.encode(), b"MODEL")
        for model in ("simulated", "no-such-model")
    }
    assert len(said) == 1
