"""The paths that take a key, as scopes and limits name them."""

# By the path's template: whether its calls pass a pipeline and so count against limits.
ENDPOINTS = {
    "/v1/chat/completions": True,
    "/v1/completions": True,
    "/v1/responses": True,
    "/v1/responses/{id}": True,
    "/v1/responses/{id}/cancel": True,
    "/v1/responses/{id}/input_items": True,
    "/v1/embeddings": True,
    "/v1/moderations": True,
    "/v1/images/generations": True,
    "/v1/images/edits": True,
    "/v1/audio/speech": True,
    "/v1/audio/transcriptions": True,
    "/v1/audio/translations": True,
    "/v1/rerank": True,
    "/v1/messages": True,
    "/v1/messages/count_tokens": True,
    "/v1/realtime": True,
    "/v1/streams/{id}": True,
    "/socket/websocket": False,
    "/v1/models": False,
    "/v1/models/{id}": False,
}
LIMITED_ENDPOINTS = tuple(path for path, is_limited in ENDPOINTS.items() if is_limited)
