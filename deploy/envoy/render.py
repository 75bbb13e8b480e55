"""Writes Envoy's configuration for compose and for the chart from its one source, `launcher.envoy`. Run by `make envoy-config`."""

from pathlib import Path

from launcher.envoy.bootstrap import write_bootstrap
from launcher.envoy.sites import COMPOSE, chart_site
from launcher.envoy.writing import write_yaml

DEPLOY = Path(__file__).resolve().parents[1]
HEAD = "# Written by `make envoy-config` from services/launcher/src/launcher/envoy: change it there.\n"
SITES = {
    "envoy/compose.yaml": COMPOSE,
    "k8s/files/envoy.yaml": chart_site(tls=True),
}


def render() -> dict[Path, str]:
    """Every file and what is to stand in it."""
    return {DEPLOY / name: write_yaml(write_bootstrap(site), HEAD) for name, site in SITES.items()}


if __name__ == "__main__":
    for path, text in render().items():
        path.write_text(text)
