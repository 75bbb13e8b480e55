"""Users' own middleware in a real mesh: installed as a package, named in one line of YAML, and contained when it breaks."""

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from real_mesh import ACME, RUNESTONE, Mesh, mesh_running

from chassis.testing import short_directory

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/runestone-word-count"
OWN_UV = ROOT / ".tools/bin/uv"
AUTH = {"authorization": f"Bearer {ACME}"}
STEPS = ["authenticate", "validate", {"banned_words": {"words": ["xyzzy"]}}, "rate_limit", "cache", "word_count"]

# Breaks where the header `x-break` says: as middleware do, or as nobody expects.
RAISING = """
from gateway_edge.plugin import change_answer

class Raising:
    async def __call__(self, call, proceed):
        where = call.arrival.headers.get("x-break")
        if where == "before":
            raise ZeroDivisionError("broken")
        if where == "exit":
            raise SystemExit(3)
        if where == "change":
            left = [1]
            def change(events):
                return events if left and left.pop() else 1 / 0
            change_answer(call, change)
        await proceed(call)
        if where == "after":
            raise KeyError("broken")
"""


def question(words: int = 5, *, text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": f"sim/words={words}", "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture(scope="module")
def own_path() -> Iterator[str]:
    """A folder with the example, really installed, and a module; PYTHONPATH with it in front."""
    uv = str(OWN_UV) if OWN_UV.exists() else shutil.which("uv")
    assert uv is not None, "uv is not installed (`make test` puts it into .tools)"
    with short_directory() as folder:
        install = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder), str(EXAMPLE)]
        subprocess.run(install, check=True, timeout=50)
        (folder / "raising.py").write_text(RAISING)
        yield os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


@pytest.fixture(scope="module", params=["processes", "one-process"])
def own_mesh(request: pytest.FixtureRequest, own_path: str) -> Iterator[Mesh]:
    options = ["--one-process"] if request.param == "one-process" else []
    broken = {
        policy: ["authenticate", "validate", {"raising:Raising": {"on_error": policy}}] for policy in ("fail", "skip")
    }
    tenant = {"name": "acme", "scopes": {"pipelines": list(broken)}, "keys": [{"name": "ci", "secret": ACME}]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", own_path)
        with mesh_running(*options, pipelines={"default": STEPS, **broken}, tenants=[tenant]) as running:
            yield running


async def ask(mesh: Mesh, body: dict[str, Any], **headers: str) -> tuple[int, bytes, Any]:
    async with aiohttp.ClientSession(headers=AUTH | {k.replace("_", "-"): v for k, v in headers.items()}) as session:
        async with session.post(f"{mesh.url}/v1/chat/completions", json=body) as answer:
            return answer.status, await answer.read(), answer.headers


async def counted(mesh: Mesh, name: str) -> dict[str, float]:
    """The samples of a counter that are not 0, by their labels."""
    async with aiohttp.ClientSession() as session, session.get(f"{mesh.admin_url}/metrics") as answer:
        rows = [row for row in (await answer.text()).splitlines() if row.startswith(f"{name}{{")]
    values = {row.rpartition(" ")[0].removeprefix(name): float(row.rpartition(" ")[2]) for row in rows}
    return {labels: value for labels, value in values.items() if value}


async def test_one_line_of_yaml_puts_it_into_the_calls_way(own_mesh: Mesh) -> None:
    status, body, headers = await ask(own_mesh, question(words=7))
    assert (status, headers["x-word-count"]) == (200, "7")
    assert len(json.loads(body)["choices"][0]["message"]["content"].split()) == 7
    stages = [part.split(";")[0] for part in headers["server-timing"].split(", ")]
    assert stages[stages.index("authenticate") :] == [
        *("authenticate", "validate", "banned_words", "rate_limit", "cache", "word_count", "call")
    ]


async def test_it_sees_a_stream_go_by_and_may_add_to_it(own_mesh: Mesh) -> None:
    status, body, _ = await ask(own_mesh, question(words=7, stream=True))
    assert status == 200
    assert body.endswith(b": 7 words\n\ndata: [DONE]\n\n")


async def test_it_may_refuse_in_the_shape_that_sdks_read(own_mesh: Mesh) -> None:
    status, body, _ = await ask(own_mesh, question(text="what does XYZZY do?"))
    assert (status, json.loads(body)["error"]["code"]) == (400, "banned_word")


async def test_the_cache_keeps_what_it_changed(own_mesh: Mesh) -> None:
    asked = question(words=9, stream=True, temperature=0)
    first, second = await ask(own_mesh, asked), await ask(own_mesh, asked)
    assert (first[2]["x-cache"], second[2]["x-cache"]) == ("MISS", "HIT")
    assert first[1] == second[1] and b": 9 words" in second[1]


CHECKED = "pipelines:\n  default:\n    - authenticate\n    - validate\n    - "  # and a step on line 5


@pytest.mark.parametrize(
    ("step", "path", "message"),
    [
        ("{banned_words: {word: [xyzzy], words: []}}", ".banned_words.word", "unknown key; known here: words"),
        ("{banned_words: {words: xyzzy}}", ".banned_words.words", "Expected `array`, got `str`"),
        ("banned_words", ".banned_words", "`words` is missing"),
        ("raising:Raisin", "", "cannot import 'raising:Raisin': AttributeError: "),
    ],
)
def test_config_check_knows_its_options(own_path: str, tmp_path: Path, step: str, path: str, message: str) -> None:
    file = tmp_path / "runestone.yaml"
    file.write_text(CHECKED + step)
    command = [str(RUNESTONE), "config", "check", str(file), "--data-dir", str(tmp_path / "d"), "--json"]
    environment = os.environ | {"PYTHONPATH": own_path}
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 1
    (problem,) = json.loads(checked.stdout)["problems"]
    assert (problem["line"], problem["path"]) == (5, f"pipelines.default[2]{path}")
    assert problem["message"].startswith(message)


BREAKS = {
    # where it breaks: what `fail` makes of a document and of a stream
    "before": (500, 500),
    "exit": (500, 500),
    "after": (200, 200),  # the answer was sent whole; only the record says 500
    "change": (200, 200),  # a document is one piece, which passes; a stream ends with an error event
}


async def test_one_that_breaks_under_load_harms_no_other_call(own_mesh: Mesh) -> None:
    """Four clients send what breaks, in every place and under both policies, while four others ask as ever."""
    before = await counted(own_mesh, "runestone_middleware_errors_total")
    rounds, broken = 3, 0

    async def ask_as_ever() -> None:
        for number in range(40):
            status, body, _ = await ask(own_mesh, question(words=5, stream=bool(number % 2)))
            assert status == 200
            assert not number % 2 or body.endswith(b": 5 words\n\ndata: [DONE]\n\n")

    async def ask_for_trouble(where: str) -> None:
        nonlocal broken
        for _ in range(rounds):
            for stream in (False, True):
                await break_once(own_mesh, where, stream=stream)
                broken += where != "change" or stream

    async with asyncio.timeout(50), asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(ask_as_ever())
        for where in BREAKS:
            group.create_task(ask_for_trouble(where))

    errors = await counted(own_mesh, "runestone_middleware_errors_total")
    for policy in ("fail", "skip"):
        labels = f'{{middleware="Raising",policy="{policy}"}}'
        (found,) = [value for key, value in errors.items() if labels[1:-1] in key] or [0]
        assert found - sum(value for key, value in before.items() if labels[1:-1] in key) == broken
    assert await counted(own_mesh, "runestone_part_restarts_total") == {}


async def break_once(mesh: Mesh, where: str, *, stream: bool) -> None:
    """The same question where it is skipped and where it fails the call."""
    asked = question(words=5, stream=stream) | {"model": "sim/words=5,pace=10ms"}  # not all in one piece
    status, body, _ = await ask(mesh, asked, x_runestone_pipeline="skip", x_break=where)
    assert status == 200
    assert body.endswith(b"data: [DONE]\n\n") if stream else json.loads(body)["object"] == "chat.completion"
    status, body, _ = await ask(mesh, asked, x_runestone_pipeline="fail", x_break=where)
    assert status == BREAKS[where][stream]
    is_failed = status == 500 or (where == "change" and stream)
    assert (b"the middleware Raising failed" in body) is is_failed
    assert (b"[DONE]" in body) is (stream and not is_failed)
