"""Phoenix Channels V2 on a WebSocket: topics that are joined, messages that are answered, streams of events."""
