"""What is known of providers before anybody configures them: where they are, what they speak, how they differ from OpenAI.

Facts are the providers' own, from their documentation in November 2026; where one has changed, `base_url` and `dialects` of the
configuration win.
"""

from typing import Literal, NamedTuple

from chassis.config.providers import DialectName, Provider

# How a server differs from OpenAI's Chat Completions: it refuses `stream_options`, refuses the role `developer`, or knows a bound of
# tokens as `max_tokens` only.
Quirk = Literal["no_stream_options", "no_developer", "max_tokens"]


class Preset(NamedTuple):
    """A server that speaks OpenAI's language. `key` is the variable that its own documentation keeps the key in, "" where it takes
    none unless told to."""

    base_url: str
    key: str
    dialects: tuple[DialectName, ...]
    quirks: tuple[Quirk, ...] = ()


KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
ADDRESSES = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}

_OPENAI: tuple[DialectName, ...] = (
    "chat",
    "responses",
    "completions",
    "embeddings",
    "moderations",
    "images",
    "image_edits",
    "speech",
    "transcriptions",
    "translations",
)

# What each kind can speak at all, and what it is taken to speak where nobody says. Of a server that is not known conversations are
# asked in chat, which all of them have; what cannot be translated anyway is passed on to it.
POSSIBLE: dict[str, tuple[DialectName, ...]] = {
    "openai": (*_OPENAI, "rerank"),
    "openai_compatible": (*_OPENAI, "rerank"),
    "anthropic": ("messages", "count_tokens"),
    "simulated": ("chat", "completions", "embeddings", "moderations", "rerank"),
}
USUAL: dict[str, tuple[DialectName, ...]] = {
    **POSSIBLE,
    "openai": _OPENAI,
    "openai_compatible": tuple(name for name in POSSIBLE["openai_compatible"] if name != "responses"),
}

PRESETS: dict[str, Preset] = {
    "cerebras": Preset("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", ("chat", "completions"), ("no_developer",)),
    "cohere": Preset(
        "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY", ("chat", "embeddings"), ("no_stream_options",)
    ),
    "deepseek": Preset("https://api.deepseek.com", "DEEPSEEK_API_KEY", ("chat",), ("no_developer", "max_tokens")),
    "fireworks": Preset(
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        ("chat", "responses", "completions", "embeddings", "rerank"),
    ),
    "gemini": Preset(
        "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", ("chat", "embeddings")
    ),
    "groq": Preset(
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        ("chat", "responses", "transcriptions", "translations"),
    ),
    "huggingface": Preset("https://router.huggingface.co/v1", "HF_TOKEN", ("chat",)),
    "litellm": Preset("http://127.0.0.1:4000/v1", "LITELLM_API_KEY", (*_OPENAI, "rerank")),
    "llamacpp": Preset("http://127.0.0.1:8080/v1", "", ("chat", "completions", "embeddings", "rerank")),
    "lmstudio": Preset("http://127.0.0.1:1234/v1", "", ("chat", "responses", "completions", "embeddings")),
    "mistral": Preset(
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        ("chat", "embeddings", "moderations", "transcriptions"),
        ("no_stream_options", "no_developer", "max_tokens"),
    ),
    "nvidia": Preset("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", ("chat", "completions", "embeddings")),
    "ollama": Preset(
        "http://127.0.0.1:11434/v1", "", ("chat", "responses", "completions", "embeddings"), ("max_tokens",)
    ),
    "openrouter": Preset("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", ("chat", "responses", "embeddings")),
    "perplexity": Preset("https://api.perplexity.ai", "PERPLEXITY_API_KEY", ("chat",), ("no_stream_options",)),
    "sambanova": Preset("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", ("chat", "embeddings"), ("max_tokens",)),
    "sglang": Preset("http://127.0.0.1:30000/v1", "", ("chat", "completions", "embeddings", "rerank")),
    "together": Preset(
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
        (
            "chat",
            "completions",
            "embeddings",
            "images",
            "speech",
            "transcriptions",
            "translations",
            "rerank",
        ),
    ),
    "vllm": Preset(
        "http://127.0.0.1:8000/v1",
        "",
        ("chat", "responses", "completions", "embeddings", "transcriptions", "translations", "rerank"),
    ),
    "xai": Preset("https://api.x.ai/v1", "XAI_API_KEY", ("chat", "responses", "images"), ("no_developer",)),
}


def find_address(provider: Provider) -> str:
    """Where a provider is: as configured, else as its preset or its maker has it; "" for one that is nowhere."""
    preset = PRESETS.get(provider.preset)
    return provider.base_url or (preset.base_url if preset else ADDRESSES.get(provider.kind, ""))


def find_key_variable(provider: Provider) -> str:
    """The variable that a provider's key usually stands in; "" for one that may need none."""
    preset = PRESETS.get(provider.preset)
    return preset.key if preset else KEYS.get(provider.kind, "")


def list_dialects(provider: Provider) -> tuple[DialectName, ...]:
    """What a provider speaks itself: as configured, else as its preset or its kind does."""
    preset = PRESETS.get(provider.preset)
    return tuple(provider.dialects) or (preset.dialects if preset else USUAL[provider.kind])


def list_quirks(provider: Provider) -> tuple[Quirk, ...]:
    """How a provider differs from OpenAI."""
    preset = PRESETS.get(provider.preset)
    return preset.quirks if preset else ()
