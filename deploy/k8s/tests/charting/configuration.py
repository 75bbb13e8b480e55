"""runestone.yaml as the chart renders it, read as the services read it."""

import re
from pathlib import Path

import yaml

from charting.render import Render
from chassis.config import Settings
from chassis.config.decode import parse_settings

REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)\}")
SERVICES = ("edge", "cache", "ratelimit", "provider", "audit")


def environment(text: str) -> dict[str, str]:
    """A secret for each reference: different ones, of the right length."""
    return {name: f"{number:032x}" + "ab" * 16 for number, name in enumerate(sorted(set(REFERENCE.findall(text))))}


def settings_of(render: Render, tmp_path: Path) -> Settings:
    text = yaml.safe_dump(render.settings)
    return parse_settings(text, tmp_path, environment=environment(text))
