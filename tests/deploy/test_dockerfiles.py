"""The images' recipes: five that are one but for the service, and what they take from elsewhere in the repository."""

import json
import re
import runpy
from pathlib import Path

import pytest

from launcher.plan import DEFAULT_PORTS
from launcher.topology import TOPOLOGY

ROOT = Path(__file__).parents[2]
FOLDERS = {node.name: node.module.replace("_", "-") for node in TOPOLOGY}
EXECUTED = ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK")
# What differs from service to service.
OWN = (r"EXPOSE .*", r"RUNESTONE_HEALTH=.*", r'image\.description=".*"')


def read_recipe(service: str) -> str:
    return (ROOT / FOLDERS[service] / "Dockerfile").read_text()


def list_instructions(recipe: str) -> list[tuple[str, str]]:
    joined = recipe.replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


@pytest.mark.parametrize("service", FOLDERS)
def test_recipes_are_one_but_for_the_service(service):
    def generalize(name: str) -> str:
        text = read_recipe(name).replace(FOLDERS[name], "{folder}").replace(f'"{name}"', '"{name}"')
        for pattern in OWN:
            text = re.sub(pattern, "", text)
        return text

    assert generalize(service) == generalize("cache")


@pytest.mark.parametrize("service", FOLDERS)
def test_nothing_in_an_image_needs_a_shell(service):
    executed = [words for name, words in list_instructions(read_recipe(service)) if name in EXECUTED]
    commands = [json.loads(words[words.index("[") :]) for words in executed]
    assert ["runestone", "serve", service] in commands


@pytest.mark.parametrize("service", DEFAULT_PORTS)
def test_an_image_asks_its_own_service_how_it_is(service):
    recipe, port = read_recipe(service), DEFAULT_PORTS[service]
    assert f"RUNESTONE_HEALTH=127.0.0.1:{port}\n" in recipe
    assert f"EXPOSE {port}\n" in recipe


def test_images_are_made_with_the_makefiles_installer():
    wanted = re.search(r"^UV_VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    locked = (ROOT / "deploy/docker/uv.txt").read_text()
    assert f"\nuv=={wanted} \\\n" in locked
    assert "--hash=sha256:" in locked


def test_every_service_can_be_settled_and_is_built():
    settle = runpy.run_path(str(ROOT / "deploy/docker/settle.py"))
    build = runpy.run_path(str(ROOT / "deploy/docker/build.py"))
    assert settle["PACKAGES"] == {node.name: node.module for node in TOPOLOGY}
    assert set(build["FOLDERS"]) == set(FOLDERS.values())


def test_what_is_not_named_does_not_get_into_an_image():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {"**/tests", "**/.*"} <= set(rules)
