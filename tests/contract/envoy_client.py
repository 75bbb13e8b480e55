"""Run with Envoy's own protos before everything else (`make test` puts them into .tools/envoy-protos): tells what they say of the
rate limit service, or asks one.

    python envoy_client.py describe              {"service": ..., "messages": {name: {field: [number, type, repeated]}}, "enums": ...}
    python envoy_client.py ask unix:/path times  the answers' codes and remaining
"""

import json
import sys

import grpc
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc


def describe(message, messages, enums):
    """The fields of a message and of those that it is made of, without the packages that they stand in."""
    name = message.full_name.removeprefix(message.file.package + ".")
    if name in messages or message.file.package.startswith("google."):
        return
    messages[name] = {field.name: [field.number, field.type, field.is_repeated] for field in message.fields}
    for field in message.fields:
        if field.message_type is not None:
            describe(field.message_type, messages, enums)
        if field.enum_type is not None:
            enum = field.enum_type
            enums[enum.full_name.removeprefix(enum.file.package + ".")] = {v.name: v.number for v in enum.values}


def ask(address, times):
    entry = ratelimit_pb2.RateLimitDescriptor.Entry(key="client", value="one")
    request = rls_pb2.RateLimitRequest(domain="front", descriptors=[ratelimit_pb2.RateLimitDescriptor(entries=[entry])])
    with grpc.insecure_channel(address) as channel:
        stub = rls_pb2_grpc.RateLimitServiceStub(channel)
        for _ in range(times):
            answer = stub.ShouldRateLimit(request, timeout=20)
            [status] = answer.statuses
            headers = {header.key: header.value for header in answer.response_headers_to_add}
            unit = rls_pb2.RateLimitResponse.RateLimit.Unit.Name(status.current_limit.unit)
            yield [answer.overall_code, status.limit_remaining, unit, headers["x-ratelimit-remaining"]]


match sys.argv[1:]:
    case ["describe"]:
        messages, enums = {}, {}
        [service] = rls_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods:
            describe(method.input_type, messages, enums)
            describe(method.output_type, messages, enums)
        methods = [[method.name, method.input_type.name, method.output_type.name] for method in service.methods]
        print(json.dumps({"service": [service.full_name, methods], "messages": messages, "enums": enums}))
    case ["ask", address, times]:
        print(json.dumps(list(ask(address, int(times)))))
