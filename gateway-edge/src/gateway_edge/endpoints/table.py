"""All endpoints that models are asked at."""

from gateway_edge.endpoints.endpoint import Endpoint
from gateway_edge.endpoints.voices import ANTHROPIC, RESPONSES
from gateway_edge.question.fingerprint import DENIED, DENIED_WHERE_ECHOED
from gateway_edge.question.views import (
    ChatRequest,
    ComputedRequest,
    MessagesRequest,
    ResponsesRequest,
    SpeechRequest,
    StreamableRequest,
    View,
)
from runestone.common.v1 import dialect_pb2 as dialects

ANTHROPIC_HEADERS = ("anthropic-version", "anthropic-beta")

CHAT = Endpoint(
    path="/v1/chat/completions",
    dialect=dialects.DIALECT_OPENAI_CHAT,
    name="openai_chat",
    view=ChatRequest,
    denied=DENIED,  # one kept answer serves streams and documents
    tells_finish=True,
    has_choices=True,
    is_deployed=True,
)
_ALL = (
    CHAT,
    Endpoint(
        path="/v1/completions",
        dialect=dialects.DIALECT_OPENAI_COMPLETIONS,
        name="openai_completions",
        view=ChatRequest,
        tells_finish=True,
        has_choices=True,
        is_deployed=True,
    ),
    Endpoint(
        path="/v1/responses",
        dialect=dialects.DIALECT_OPENAI_RESPONSES,
        name="openai_responses",
        view=ResponsesRequest,
        voice=RESPONSES,
        denied=DENIED_WHERE_ECHOED,
        tells_finish=True,
        is_deployed=True,
        is_stored=True,
    ),
    Endpoint(
        path="/v1/embeddings",
        dialect=dialects.DIALECT_OPENAI_EMBEDDINGS,
        name="openai_embeddings",
        view=ComputedRequest,
        is_deployed=True,
    ),
    Endpoint(
        path="/v1/moderations",
        dialect=dialects.DIALECT_OPENAI_MODERATIONS,
        name="openai_moderations",
        view=ComputedRequest,
    ),
    Endpoint(
        path="/v1/images/generations",
        dialect=dialects.DIALECT_OPENAI_IMAGES,
        name="openai_images",
        view=StreamableRequest,
        is_deployed=True,
    ),
    Endpoint(
        path="/v1/images/edits",
        dialect=dialects.DIALECT_OPENAI_IMAGE_EDITS,
        name="openai_image_edits",
        view=StreamableRequest,
        is_form=True,
        may_be_kept=False,
        is_deployed=True,
    ),
    Endpoint(
        path="/v1/audio/speech",
        dialect=dialects.DIALECT_OPENAI_SPEECH,
        name="openai_speech",
        view=SpeechRequest,
        may_be_kept=False,
        is_deployed=True,
    ),
    Endpoint(
        path="/v1/audio/transcriptions",
        dialect=dialects.DIALECT_OPENAI_TRANSCRIPTIONS,
        name="openai_transcriptions",
        view=StreamableRequest,
        is_form=True,
        may_be_kept=False,
        is_deployed=True,
    ),
    Endpoint(
        path="/v1/audio/translations",
        dialect=dialects.DIALECT_OPENAI_TRANSLATIONS,
        name="openai_translations",
        view=View,
        is_form=True,
        may_be_kept=False,
        is_deployed=True,
    ),
    Endpoint(path="/v1/rerank", dialect=dialects.DIALECT_RERANK, name="rerank", view=ComputedRequest, headers=()),
    Endpoint(
        path="/v1/messages",
        dialect=dialects.DIALECT_ANTHROPIC_MESSAGES,
        name="anthropic_messages",
        view=MessagesRequest,
        voice=ANTHROPIC,
        headers=ANTHROPIC_HEADERS,
        tells_finish=True,
    ),
    Endpoint(
        path="/v1/messages/count_tokens",
        dialect=dialects.DIALECT_ANTHROPIC_COUNT_TOKENS,
        name="anthropic_count_tokens",
        view=ComputedRequest,
        voice=ANTHROPIC,
        headers=ANTHROPIC_HEADERS,
    ),
)
ENDPOINTS = {endpoint.path: endpoint for endpoint in _ALL}
