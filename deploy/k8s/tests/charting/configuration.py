"""runestone.yaml as the chart renders it, read as the services read it."""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

from charting.render import Render
from chassis.config import Settings
from chassis.config.decode import parse_settings
from chassis.config.rules import STORES
from chassis.config.schema import Mesh, Peer, RateLimit, Tls

REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)\}")
AHEAD = ("probe", "admin")
SERVICES = ("edge", "cache", "ratelimit", "provider", "audit")


def environment(text: str) -> dict[str, str]:
    """A secret for each reference: different ones, of the right length."""
    return {name: f"{number:032x}" + "ab" * 16 for number, name in enumerate(sorted(set(REFERENCE.findall(text))))}


def settings_of(render: Render, tmp_path: Path) -> Settings:
    text = yaml.safe_dump(as_built(copy.deepcopy(render.settings)))
    return parse_settings(text, tmp_path, environment=environment(text))


def as_built(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what the chart already says and the services do not know yet. Where they know all of it, nothing is taken away."""
    mesh = settings["mesh"]
    for name in SERVICES[1:]:
        mesh[name] = {
            key: value for key, value in mesh[name].items() if key in Peer.__struct_fields__ or key not in AHEAD
        }
    if Mesh.__annotations__["tls"] == (Tls | None):
        mesh.pop("tls", None)
    if "domains" not in RateLimit.__struct_fields__:
        settings["ratelimit"].pop("domains", None)
    if STORES["audit"] == ("sqlite",):
        settings["audit"]["store"] = "sqlite"
    return settings
