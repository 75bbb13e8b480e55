"""Client of the gateway's gRPC door: `pip install runestone-client[grpc]`.

async with runestone_client.grpc.connect("127.0.0.1:4006", api_key) as client:
    async for chunk in await client.stream({"model": "simulated", "messages": [{"role": "user", "content": "Hello"}]}):
        print(chunk.text, end="", flush=True)
"""

from runestone_client.grpc.call import Call
from runestone_client.grpc.client import GatewayClient, connect

__all__ = ["Call", "GatewayClient", "connect"]
