"""Where the files are, read once."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def rules() -> list[dict[str, Any]]:
    """Every rule of every group: alerts and records."""
    text = (ROOT / "deploy/k8s/files/alerts.yaml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


@pytest.fixture(scope="session")
def alerts(rules) -> list[dict[str, Any]]:
    return [rule for rule in rules if "alert" in rule]
