"""Realtime sessions: a client's WebSocket here, a provider's at provider-svc, and messages as they are between them."""
