"""The gRPC door: calls of other services, each an rpc of its own. See `proto/runestone/gateway/v1`."""
