"""All dashboards, and the files that they become."""

import json
from pathlib import Path

from dashboards.cache import CACHE
from dashboards.grafana import write_dashboard
from dashboards.mesh import MESH
from dashboards.overview import OVERVIEW
from dashboards.providers import PROVIDERS
from dashboards.realtime import REALTIME
from dashboards.tenants import TENANTS

FOLDER = Path(__file__).parents[2] / "k8s" / "files" / "dashboards"
PAGES = (OVERVIEW, TENANTS, PROVIDERS, CACHE, REALTIME, MESH)


def texts() -> dict[Path, str]:
    """What should stand in each file."""
    return {FOLDER / f"{page.name}.json": json.dumps(write_dashboard(page), indent=1) + "\n" for page in PAGES}
