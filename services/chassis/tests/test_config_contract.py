"""The whole documented schema is accepted from the first version on, or refused with the reason why not yet."""

import msgspec
import pytest

from chassis.config import ConfigError, Settings, parse_settings

HASH = f"sha256:{'0' * 64}"
ENVIRONMENT = {"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "ACME_CI_KEY": "acme-ci-key-0123456789"}

# The contract's own example, in full. What this version cannot keep yet stands in REFUSED, one line each.
EXAMPLE = f"""
edge:
  workers: 1
  http:      {{host: 127.0.0.1, port: 4003, max_body: 64MiB, cors: {{origins: []}}, trusted_proxies: []}}
  admin:     {{host: 127.0.0.1, port: 4004}}
  websocket: {{port: 4005, max_frame_size: 64MiB, heartbeat_interval: 30s, resume_window: 60s}}
  drain:     {{delay: 0s, grace: 10s}}
cache:     {{enabled: true, when: deterministic, max_size: 10_000, max_bytes: 256MiB, default_ttl: 5m, warm_on_startup: false, store: memory}}
ratelimit: {{store: memory}}
audit:     {{store: sqlite}}
mesh:
  cache:     {{listen: unix, endpoints: [], replicas: 1}}
  ratelimit: {{listen: unix, endpoints: [], replicas: 1}}
  provider:  {{listen: unix, endpoints: [], replicas: 1}}
  audit:     {{listen: unix, endpoints: [], replicas: 1}}
  tls: null
providers:
  - {{name: openai, kind: openai, base_url: https://api.openai.com/v1, api_key: "${{OPENAI_API_KEY}}"}}
  - {{name: anthropic, kind: anthropic, base_url: https://api.anthropic.com, api_key: "${{ANTHROPIC_API_KEY}}"}}
  - {{name: local, kind: openai_compatible, base_url: "http://127.0.0.1:8000/v1", dialects: [chat], timeouts: {{connect: 5s, first_byte: 60s, idle: 60s, total: 600s}}, retries: {{attempts: 0}}}}
  - {{name: sim, kind: simulated}}
models:
  - {{name: fast, targets: [{{provider: openai, model: gpt-4o-mini, weight: 9}}, {{provider: local, model: m, weight: 1}}], fallbacks: [smart]}}
  - {{name: smart, targets: [{{provider: anthropic, model: claude}}]}}
  - {{name: "openai/*"}}
pipelines:
  default: [authenticate, {{transform: {{}}}}, validate, {{rate_limit: {{requests_per_minute: 100}}}}, {{cache: {{ttl: 10m}}}}, request_logger]
tenants:
  - {{name: acme, pipeline: default, limits: {{requests_per_minute: 600}}, keys: [{{name: ci, secret: "${{ACME_CI_KEY}}"}}, {{name: app, hash: "{HASH}"}}], keys_file: keys.yaml}}
telemetry: {{otlp_endpoint: null, sample_ratio: 0.01}}
"""

REFUSED = {
    "ratelimit: {store: redis+cluster://h}": "ratelimit.store: 'redis+cluster' is not one of",
    "tenants: [{name: a, limits: {tokens_per_minute: 1}}]": "tenants[0].limits.tokens_per_minute: cannot be enforced yet",
    "tenants: [{name: a, limits: {concurrency: 1}}]": "tenants[0].limits.concurrency: cannot be enforced yet",
    "tenants: [{name: a, limits: {budget: {usd: 10, per: month}}}]": "tenants[0].limits.budget: cannot be enforced yet",
}


def test_the_contracts_example_is_accepted():
    settings = parse_settings(EXAMPLE, environment=ENVIRONMENT)
    assert [provider.name for provider in settings.providers] == ["openai", "anthropic", "local", "sim"]
    assert settings.tenants[0].keys[1].hash == HASH


@pytest.mark.parametrize("section", ["edge", "cache", "ratelimit", "audit", "mesh", "telemetry"])
def test_the_contracts_defaults_are_the_schemas(section):
    """ "Scalars under edge, cache, telemetry are the defaults", and nothing else needs to be said."""
    settings = parse_settings(EXAMPLE, environment=ENVIRONMENT)
    assert getattr(settings, section) == getattr(Settings(), section)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_a_promise_that_nothing_keeps_is_refused_with_the_reason(text, reason):
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, environment={})
    assert len(caught.value.problems) == 1
    assert reason in str(caught.value)


def test_defaults_are_valid_settings_themselves():
    assert parse_settings(msgspec.json.encode({}).decode()) == Settings()
