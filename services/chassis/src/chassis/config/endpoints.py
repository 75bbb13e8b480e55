"""The paths that take a key, as scopes and limits name them."""

# By the path's template: whether its calls pass a pipeline and so count against limits.
ENDPOINTS = {
    "/v1/chat/completions": True,
    "/v1/models": False,
    "/v1/models/{id}": False,
}
LIMITED_ENDPOINTS = tuple(path for path, is_limited in ENDPOINTS.items() if is_limited)
