"""Others that answer the same questions: two that only forward, which is the practical limit, and two gateways."""

from bench.peers.envoy import Envoy
from bench.peers.litellm import LiteLLM
from bench.peers.nginx import Nginx
from bench.peers.portkey import Portkey

PEERS = (Nginx(), Envoy(), Portkey(), LiteLLM())
RIVALS = (LiteLLM.name, Portkey.name)  # the gateways among them: what a proxy does is not what a gateway does
