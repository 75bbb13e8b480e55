"""How clients spell the paths of endpoints: OpenAI's for Azure, and those of long ago, name the model in the path. Pure."""

from typing import NamedTuple
from urllib.parse import unquote

from gateway_edge.endpoints.table import ENDPOINTS

VERSION = "/v1"
AZURE = "/v1/openai"  # `/openai/...`, as it stands behind the version that every path is given
DEPLOYMENTS, ENGINES = "/v1/deployments/", "/v1/engines/"

# The longest first: a model may be called `chat`.
_DEPLOYED = sorted(
    (endpoint.path.removeprefix(VERSION) for endpoint in ENDPOINTS.values() if endpoint.is_deployed),
    key=len,
    reverse=True,
)


class Named(NamedTuple):
    """A path as the table has it, and the model that it named."""

    path: str
    model: str = ""


def read_spelling(versioned: str) -> Named:
    """What `versioned`, a path that begins with `/v1`, stands for: `/openai/v1/...`, `/openai/...`,
    `/openai/deployments/{model}/...` and `/engines/{model}/...` are other spellings. Any other stands for itself."""
    if versioned.startswith(f"{AZURE}/"):
        return _read_azure(versioned.removeprefix(AZURE))
    if versioned.startswith(ENGINES):
        return _split(versioned.removeprefix(ENGINES)) or Named(versioned)
    return Named(versioned)


def _read_azure(path: str) -> Named:
    versioned = path if path.startswith(f"{VERSION}/") else f"{VERSION}{path}"
    if versioned.startswith(DEPLOYMENTS):
        return _split(versioned.removeprefix(DEPLOYMENTS)) or Named(versioned)
    return Named(versioned)


def _split(rest: str) -> Named | None:
    """`{model}/chat/completions`. Slashes of the model may stand as they are."""
    for path in _DEPLOYED:
        if rest.endswith(path) and rest.find("/") > 0 and len(rest) > len(path):
            return Named(f"{VERSION}{path}", unquote(rest.removesuffix(path)))
    return None
