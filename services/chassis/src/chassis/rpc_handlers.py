"""Handlers of rpcs, made anew around another behaviour."""

from collections.abc import Callable
from typing import Any

import grpc


def rebuild(handler: Any, behave: Callable[[Any, Any], Any]) -> Any:
    """A handler of the same kind as `handler`, with its way to read and to write messages, that does `behave`."""
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[handler.request_streaming, handler.response_streaming]
    return make(behave, handler.request_deserializer, handler.response_serializer)
