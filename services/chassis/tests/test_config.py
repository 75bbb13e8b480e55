"""A configuration is used whole, or refused with everything that is wrong with it."""

import textwrap
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError, Settings, parse_settings
from chassis.config.rules import LARGEST_BODY
from chassis.server import MAX_MESSAGE

ENVIRONMENT = {"ACME_CI_KEY": "acme-ci-key-0123456789", "OPENAI_API_KEY": "sk-openai-canary"}


def read(text: str, **reading) -> Settings:
    return parse_settings(textwrap.dedent(text), environment=ENVIRONMENT, **reading)


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return list(map(str, caught.value.problems))


@pytest.mark.parametrize("text", ["", "# only words", "---", "{}"])
def test_an_empty_file_is_all_defaults(text):
    assert read(text) == Settings()


def test_every_problem_is_reported_at_once_with_line_and_path():
    problems = problems_of("""\
        edge:
          workers: 0
          http: {prot: 4003, port: high}
        cache: {default_ttl: soon}
        tenants:
          - name: acme
            keys:
              - {secret: short}
        """)
    assert problems == [
        "line 2: edge.workers: Expected `int` >= 1",
        "line 3: edge.http.prot: unknown key; known here: host, port, max_body, tls, cors, trusted_proxies",
        "line 3: edge.http.port: Expected `int`, got `str`",
        "line 4: cache.default_ttl: Expected a duration such as 500ms, 30s, 10m, 1h",
        "line 8: tenants[0].keys[0]: `name` is missing",
    ]


def test_contradictions_are_reported_at_once_too():
    problems = problems_of("""\
        providers:
          - {name: local, kind: openai_compatible}
          - {name: local, kind: simulated}
        models:
          - {name: fast, targets: [{provider: nowhere, model: m}], fallbacks: [slow]}
          - {name: orphan}
          - {name: "a*b", targets: [{provider: local, model: m, weight: 0}]}
        """)
    assert problems == [
        "line 2: providers[0].name: 'local' stands 2 times",
        "line 2: providers[0]: kind openai_compatible needs a base_url, or a preset",
        "line 3: providers[1].name: 'local' stands 2 times",
        "line 5: models[0].targets[0].provider: there is no provider 'nowhere'",
        "line 5: models[0].fallbacks[0]: there is no model 'slow'",
        "line 6: models[1]: has no targets, and its name does not begin with `<provider>/`",
        "line 7: models[2].name: `*` may stand at the end only",
        "line 7: models[2].targets: every weight is 0",
    ]


def test_a_key_that_stands_twice_is_refused():
    """YAML readers keep the last one in silence."""
    assert problems_of("cache: {enabled: true}\ncache: {enabled: false}\n") == ["line 2: cache: stands twice"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("edge: [1", "line 1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("edge: {}\n---\nedge: {}", "line 2: not YAML: but found another document"),
        ("- edge", "line 1: Expected `object`, got `array`"),
        ("edge: \x00", "line 1: not YAML: special characters are not allowed"),
        ("edge: !shell date", "line 1: edge: could not determine a constructor for the tag '!shell'"),
        (
            "telemetry: {otlp_endpoint: 2026-99-99}",
            "line 1: telemetry.otlp_endpoint: looks like a timestamp but is none; quote it if it is text",
        ),
        ("edge: &edge {http: *edge}", "nested too deeply, or contains itself"),
        ("[" * 5000, "nested too deeply, or contains itself"),
        ("audit: {store: !!bool maybe}", "line 1: audit.store: looks like a bool but is none; quote it if it is text"),
        ('audit: {store: "\\ud800"}', "line 1: audit.store: holds half a surrogate pair, or bytes that are not UTF-8"),
        ("edge: {http: {max_body: .inf}}", "line 1: edge.http.max_body: Expected a size such as 64MiB, 4KiB, 10MB"),
        ("telemetry: {sample_ratio: .nan}", "line 1: telemetry.sample_ratio: Expected `float` >= 0.0"),
    ],
)
def test_what_is_no_configuration_is_said_in_one_line(text, problem):
    assert problems_of(text) == [problem]


WORDS = (
    "edge cache tenants { } [ ] &a *a !!int !!bool !x ' \" | > ${X} ${FILE:/} 0x 1:2 .inf .nan 2026-13-01 << = ~ % é"
)
fragments = st.sampled_from([*WORDS.split(), ": ", "- ", " ", "\n", "\n  ", "\x00", "\\ud800"])


@given(st.text() | st.lists(fragments, max_size=12).map("".join))
def test_no_text_makes_reading_crash(text):
    """The command shows problems; a traceback is none."""
    with suppress(ConfigError):
        parse_settings(text, environment={})


def test_values_come_from_the_environment_and_from_files(tmp_path):
    (tmp_path / "key").write_text("from-a-file-0123456789\n")
    settings = read(f"""\
        providers: [{{name: openai, kind: openai, api_key: "${{OPENAI_API_KEY}}"}}]
        tenants:
          - name: acme
            keys: [{{name: ci, secret: "${{ACME_CI_KEY}}"}}, {{name: app, secret: "${{FILE:{tmp_path}/key}}"}}]
        """)
    assert settings.providers[0].api_key.reveal() == "sk-openai-canary"
    assert [key.secret.reveal() for key in settings.tenants[0].keys] == [
        "acme-ci-key-0123456789",
        "from-a-file-0123456789",
    ]


def test_a_reference_may_stand_inside_a_value():
    settings = read("providers: [{name: a, kind: openai, base_url: 'https://${OPENAI_API_KEY}.example/v1'}]")
    assert settings.providers[0].base_url == "https://sk-openai-canary.example/v1"


def test_what_the_environment_says_is_not_read_as_a_reference_again():
    settings = parse_settings("telemetry: {otlp_endpoint: '${A}'}", environment={"A": "${B}", "B": "no"})
    assert settings.telemetry.otlp_endpoint == "${B}"


def test_a_reference_to_nothing_is_a_problem_of_its_line(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    problems = problems_of(f"""\
        providers:
          - {{name: a, kind: openai, api_key: "${{NOT_SET}}"}}
          - {{name: b, kind: openai, api_key: "${{FILE:{tmp_path}/missing}}"}}
          - {{name: c, kind: openai, api_key: "${{FILE:{tmp_path}/binary}}"}}
        """)
    assert problems == [
        "line 2: providers[0].api_key: the environment has no NOT_SET",
        f"line 3: providers[1].api_key: cannot read {tmp_path}/missing: No such file or directory",
        f"line 4: providers[2].api_key: cannot read {tmp_path}/binary: not UTF-8 text",
    ]


def keys_of(*keys: str) -> str:
    return f"tenants: [{{name: acme, keys: [{', '.join(keys)}]}}]"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (["{name: a}"], "tenants[0].keys[0]: needs either `secret` or `hash`"),
        ([f"{{name: a, secret: {'s' * 16}, hash: h}}"], "tenants[0].keys[0]: needs either `secret` or `hash`"),
        (["{name: a, secret: short}"], "must be 16 to 256 printable ASCII characters without spaces"),
        ([f"{{name: a, secret: {'s' * 257}}}"], "must be 16 to 256 printable ASCII characters without spaces"),
        (["{name: a, secret: sixteen letters é}"], "must be 16 to 256 printable ASCII characters without spaces"),
        (["{name: a, hash: md5:00}"], "tenants[0].keys[0].hash: must be sha256: and 64 hex digits"),
        ([f"{{name: a, hash: 'sha256:{'z' * 64}'}}"], "tenants[0].keys[0].hash: must be sha256: and 64 hex digits"),
        ([f"{{name: {name}, secret: {'s' * 16}}}" for name in "ab"], "tenants[0].keys[1]: is the same key as acme/a"),
    ],
)
def test_a_key_that_could_not_work_is_refused(keys, problem):
    problems = problems_of(keys_of(*keys))
    assert len(problems) == 1
    assert problem in problems[0]


def test_a_secret_and_its_own_hash_are_the_same_key():
    from chassis.keys import hash_key

    secret = "0123456789abcdef"
    problems = problems_of(keys_of(f"{{name: a, secret: {secret}}}", f"{{name: b, hash: '{hash_key(secret)}'}}"))
    assert problems == ["line 1: tenants[0].keys[1]: is the same key as acme/a"]


def test_two_keys_of_one_name_in_a_tenant_are_refused():
    """Records and limits know a key by its tenant and name."""
    problems = problems_of(keys_of(f"{{name: ci, secret: {'a' * 16}}}", f"{{name: ci, secret: {'b' * 16}}}"))
    assert problems == [f"line 1: tenants[0].keys[{index}].name: 'ci' stands 2 times" for index in (0, 1)]


def test_two_tenants_may_call_their_keys_the_same():
    tenants = (f"{{name: {name}, keys: [{{name: ci, secret: {name * 16}}}]}}" for name in "ab")
    assert len(read(f"tenants: [{', '.join(tenants)}]").tenants) == 2


@pytest.mark.parametrize(
    "text",
    [
        "mesh: {ratelimit: {endpoints: [10.0.0.1]}, cache: {endpoints: [10.0.0.1, 10.0.0.2], replicas: 2}}",
        "ratelimit: {store: 'redis://h'}\nmesh: {ratelimit: {endpoints: [10.0.0.1, 10.0.0.2]}}",
        "ratelimit: {store: 'redis://h'}\nmesh: {ratelimit: {listen: 0.0.0.0, endpoints: [limits.mesh], replicas: 3}}",
    ],
)
def test_several_of_a_service_that_can_share_or_need_not_are_accepted(text):
    assert read(text).mesh.ratelimit.endpoints


def test_the_largest_body_fits_into_a_message_of_the_mesh():
    """With a MiB to spare for the envelope around it."""
    assert read(f"edge: {{http: {{max_body: {LARGEST_BODY}}}}}").edge.http.max_body == LARGEST_BODY
    assert LARGEST_BODY + (1 << 20) <= MAX_MESSAGE


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cache: {store: memcached}", "cache.store: 'memcached' is not one of: memory, redis://, rediss://"),
        (
            "ratelimit: {store: redis+cluster://h}",
            "ratelimit.store: 'redis+cluster' is not one of: memory, redis://, rediss://; a cluster has no one server",
        ),
        ("audit: {store: mysql://h}", "audit.store: 'mysql' is not one of: sqlite, postgresql://, postgres://"),
        ("providers: [{name: a, kind: openai, base_url: ftp://h}]", "must begin with http:// or https://"),
        ("providers: [{name: a, kind: openai, base_url: 'http://:80/v1'}]", "must name a host"),
        ("providers: [{name: a, kind: openai, base_url: 'http://h:65536'}]", "must name a host"),
        ("providers: [{name: a, kind: openai, base_url: 'http://a..b'}]", "must name a host"),
        ("providers: [{name: a, kind: openai, proxy: socks5://h}]", "providers[0].proxy: must begin with http://"),
        ("providers: [{name: a, kind: openai, proxy: http://}]", "providers[0].proxy: must name a host"),
        ("tenants: [{name: acme, pipeline: fast}]", "there is no pipeline 'fast'"),
        (
            "edge: {http: {max_body: 65MiB}}",
            "edge.http.max_body: must be at most 64MiB: a larger body does not fit into a message of the mesh",
        ),
        (
            "mesh: {ratelimit: {endpoints: [10.0.0.1, 10.0.0.2]}}",
            "mesh.ratelimit.endpoints: several endpoints cannot share the store 'memory'",
        ),
        (
            "mesh: {audit: {endpoints: [10.0.0.1, 10.0.0.2]}}",
            "mesh.audit.endpoints: several endpoints cannot share the store 'sqlite'",
        ),
        (
            "mesh: {ratelimit: {replicas: 2}}",
            "mesh.ratelimit.replicas: several replicas cannot share the store 'memory'",
        ),
        (
            "mesh: {ratelimit: {listen: 0.0.0.0, endpoints: [limits.mesh], replicas: 2}}",
            "cannot share the store 'memory'; set ratelimit.store to a Redis",
        ),
        (
            "mesh: {audit: {listen: 0.0.0.0, endpoints: [audit.mesh], replicas: 2}}",
            "cannot share the store 'sqlite'; set audit.store to a PostgreSQL",
        ),
        ("mesh: {audit: {replicas: 2}}", "mesh.audit.replicas: several replicas cannot share the store 'sqlite'"),
        ("mesh: {cache: {replicas: 2, listen: 0.0.0.0}}", "mesh.cache.replicas: several replicas on one machine need"),
    ],
)
def test_what_could_not_be_meant_is_refused(text, problem):
    problems = problems_of(text)
    assert len(problems) == 1
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("fallback", "fault"),
    [("m", "is the model itself"), ("a/*", "'a/*' is many models; name one"), ("z", "there is no model 'z'")],
)
def test_a_model_falls_back_to_one_other_model(fallback, fault):
    text = f"""
providers: [{{name: a, kind: simulated}}]
models: [{{name: m, targets: [{{provider: a, model: x}}], fallbacks: ["{fallback}"]}}, {{name: "a/*"}}]
"""
    with pytest.raises(ConfigError) as error:
        parse_settings(text, environment={})
    assert f"models[0].fallbacks[0]: {fault}" in str(error.value)
