"""Calls that come as messages over an open connection: a WebSocket, a gRPC stream."""
