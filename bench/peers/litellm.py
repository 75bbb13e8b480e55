"""LiteLLM's proxy, from the Python index, set up as its page on production says (docs.litellm.ai/docs/proxy/prod)."""

import json

from bench.peers.installing import install_once, install_wheels
from bench.targets import KEY, Command, Manner, Place

VERSION = "1.106.2"


class LiteLLM:
    """One worker for its one core, a master key, no database, errors logged only. Its in-memory cache is there for those
    who ask for it, so that the other cases do not pay for it."""

    name = "LiteLLM"
    has_cache = True
    is_peer = True
    warm_up = 2.0

    def manner(self, _upstream: int) -> Manner:
        """As OpenAI's clients ask; a cached answer is asked for in the body."""
        return Manner(cached={"cache": {"use-cache": True}})

    def install(self) -> str:
        """The proxy, in an environment of its own, compiled."""
        requirement = f"litellm[proxy]=={VERSION}"
        folder = install_once("litellm", VERSION, lambda folder: install_wheels(folder, requirement))
        self._program = folder / "bin" / "litellm"
        return VERSION

    def prepare(self, place: Place) -> Command:
        """Writes config.yaml; YAML reads JSON. Prices come from its package: nothing is fetched at start."""
        config = place.directory / "config.yaml"
        config.write_text(json.dumps(configure(place)))
        words = [
            *(str(self._program), "--config", str(config), "--host", "127.0.0.1", "--port", str(place.port)),
            *("--num_workers", "1", "--telemetry", "False"),
        ]
        environment = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        return Command(words=words, environment=environment)


def configure(place: Place) -> dict[str, object]:
    """The same two models as ours."""
    base = f"http://127.0.0.1:{place.upstream}/v1"
    return {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": base, "api_key": "k"}}
            for name in ("burst", "paced")
        ],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {
            "request_timeout": 600,
            "set_verbose": False,
            "json_logs": True,
            "cache": True,
            "cache_params": {"type": "local", "mode": "default_off"},
        },
    }
