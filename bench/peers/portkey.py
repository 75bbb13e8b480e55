"""Portkey's gateway, from npm."""

import json
from pathlib import Path

from bench.peers.installing import find_tool, install_once, run
from bench.targets import KEY, Command, Manner, Place

VERSION = "1.15.2"
# What its own ranges allow today cannot stream ("TypeError: immutable"). They are forced on its nested copies too.
PINNED = {"hono": "4.9.7", "@hono/node-server": "1.3.3"}
SCRIPT = "node_modules/@portkey-ai/gateway/build/start-server.js"
LOOPBACK = Path(__file__).with_name("loopback.cjs")


class Portkey:
    """Its Node.js build as it is published, without the console; the provider is named in headers. Has no cache."""

    name = "Portkey"
    has_cache = False
    is_peer = True
    warm_up = 8.0  # V8 is at twice its final cost after two seconds

    def manner(self, upstream: int) -> Manner:
        """Which provider, and where it is, each request says."""
        headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
        return Manner(headers={"authorization": f"Bearer {KEY}", **headers})

    def install(self) -> str:
        """The package and what it needs, without scripts of its own: its one is a development tool."""
        self._node = find_tool("node")
        self._folder = install_once("portkey", VERSION, _fill)
        return VERSION

    def prepare(self, place: Place) -> Command:
        """Reads nothing at start."""
        words = [self._node, "-r", str(LOOPBACK), str(self._folder / SCRIPT), f"--port={place.port}", "--headless"]
        return Command(words=words, environment={"NODE_ENV": "production"})


def _fill(folder: Path) -> None:
    package = {"private": True, "dependencies": {"@portkey-ai/gateway": VERSION, **PINNED}, "overrides": PINNED}
    (folder / "package.json").write_text(json.dumps(package))
    run([find_tool("npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
