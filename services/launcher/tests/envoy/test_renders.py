"""What stands in the repository is what the source says, and the real Envoy takes it."""

import datetime as dt
import importlib.util
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from chassis.testing import short_directory
from launcher.envoy.bootstrap import write_bootstrap
from launcher.envoy.site import Certificate, Expression, Site
from launcher.envoy.sites import COMPOSE, chart_site
from launcher.envoy.writing import write_yaml
from launcher.errors import LaunchError
from launcher.mesh.certificate import ensure_certificate
from launcher.mesh.envoy_process import find_envoy

RENDER = Path(__file__).parents[4] / "deploy" / "envoy" / "render.py"
VALUES = {
    r".*(heapBytes|maxConnections).*": "400000000",
    r".*trustedHops.*": "1",
    r".*ternary.*": "100",
    r".*runestone\.headless.*": "edge.svc",
}


def load_render() -> ModuleType:
    spec = importlib.util.spec_from_file_location("envoy_render", RENDER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_what_the_source_says() -> None:
    """Else run `make envoy-config`."""
    for path, text in load_render().render().items():
        assert path.read_text() == text, path


def fill_in(text: str) -> str:
    """The chart's file as Helm would leave it."""

    def value(match: re.Match[str]) -> str:
        return next(value for pattern, value in VALUES.items() if re.match(pattern, match[0]))

    return re.sub(r"\{\{.*?\}\}", value, text)


SITES = {
    "compose": COMPOSE,
    "compose in the clear": replace(COMPOSE, mesh_tls=None),
    "chart": chart_site(tls=True),
    "chart in the clear": chart_site(tls=False),
    "with a limiter, and only HTTPS": replace(COMPOSE, redirects=100, trusted_hops=2, log="/dev/null"),
    "without a plain port": replace(COMPOSE, plain_port=0),
}


@pytest.mark.parametrize("name", list(SITES))
def test_the_real_envoy_takes_it(name: str) -> None:
    """Nothing that it does not know, nothing that it will not know for long."""
    try:
        program = find_envoy()
    except LaunchError as error:
        pytest.skip(str(error))
    with short_directory() as folder:
        ensure_certificate(folder, dt.datetime.now(dt.UTC))
        config = folder / "envoy.yaml"
        config.write_text(fill_in(write_yaml(write_bootstrap(at(SITES[name], folder)))))
        done = subprocess.run(
            [program, "--mode", "validate", "-c", config, "--log-level", "warning"],
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "eprecated" not in done.stderr
    assert "[error]" not in done.stderr


def at(site: Site, folder: Path) -> Site:
    """The site with its certificates in `folder`."""
    tls = replace(site.mesh_tls, folder=str(folder)) if site.mesh_tls else None
    return replace(site, certificate=Certificate(folder=str(folder)), mesh_tls=tls)


def test_the_charts_file_without_its_expressions_is_yaml() -> None:
    text = (RENDER.parents[1] / "k8s" / "files" / "envoy.yaml").read_text()
    document = yaml.safe_load(fill_in(text))
    assert {listener["name"] for listener in document["static_resources"]["listeners"]} == {"tls", "plain", "grpc"}
    assert "@@" not in text


def test_an_expression_is_written_as_it_is() -> None:
    """Quotes that a template needs are its own."""
    written = write_yaml({"a": Expression('{{ .Values.x | default "y" }}'), "b": "{{ text }}"})
    assert written == "a: {{ .Values.x | default \"y\" }}\nb: '{{ text }}'\n"
