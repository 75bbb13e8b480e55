"""Realtime sessions: WebSockets to providers. See `proto/runestone/realtime/v1`."""
