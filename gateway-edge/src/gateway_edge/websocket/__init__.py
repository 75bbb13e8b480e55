"""WebSockets (RFC 6455) on the edge's own connections."""
