"""OpenAI's Responses over a WebSocket: `client.responses.connect()` of its SDK."""
