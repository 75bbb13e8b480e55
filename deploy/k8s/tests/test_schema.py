"""values.schema.json: every default is in it, everything in it is told, and what it does not know is refused by name."""

import helm_python
import pytest
from charting.readme import README, assemble, leaves, read_defaults, read_schema, resolve
from charting.render import NAMES, load

REFUSED = {
    "an unknown key": ({"edgee": {}}, "edgee"),
    "an unknown key further down": ({"edge": {"spool": {"kynd": "emptyDir"}}}, "kynd"),
    "an unknown key of an image": ({"cache": {"image": {"name": "x"}}}, "name"),
    "no replicas": ({"edge": {"replicas": 0}}, "replicas"),
    "replicas as text": ({"edge": {"replicas": "2"}}, "replicas"),
    "a tag that moves": ({"image": {"tag": "latest"}}, "tag"),
    "a tag that moves, of one part": ({"provider": {"image": {"tag": "latest"}}}, "tag"),
    "a digest that is none": ({"edge": {"image": {"digest": "sha256:123"}}}, "digest"),
    "a store image without a tag": ({"redis": {"mode": "bundled", "bundled": {"image": "redis"}}}, "image"),
    "another kind of mTLS": ({"mesh": {"tls": {"mode": "on"}}}, "mode"),
    "mTLS switched off as YAML understands it": ({"mesh": {"tls": {"mode": False}}}, "mode"),
    "another kind of spool": ({"edge": {"spool": {"kind": "hostPath"}}}, "kind"),
    "a size that is none": ({"edge": {"spool": {"size": "large"}}}, "size"),
    "an address that is no range": ({"edge": {"trustedProxies": ["10.0.0.1"]}}, "trustedProxies"),
    "no limit of memory": ({"edge": {"resources": {"limits": {"memory": None}}}}, "memory"),
    "a Secret's name that none can have": (
        {"secrets": {"adminKey": {"existingSecret": "Admin Key"}}},
        "existingSecret",
    ),
    "no time for others to hear": ({"drain": {"sleepSeconds": 0}}, "sleepSeconds"),
    "less than no pods more": ({"maxSurge": 0}, "maxSurge"),
    "a variable that no shell takes": ({"edge": {"extraEnv": [{"name": "A-B", "value": "x"}]}}, "extraEnv"),
    "a peer of nobody": ({"networkPolicy": {"clients": [{}]}}, "clients"),
    "a port that there is not": ({"networkPolicy": {"providers": {"ports": [70000]}}}, "ports"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_schema_refuses_and_names_what_is_wrong(case):
    values, named = REFUSED[case]
    with pytest.raises(helm_python.HelmError, match=named):
        load().render(values, **NAMES)


def test_every_section_is_closed():
    """Where a mapping is open, somebody else's schema closes it: Kubernetes' own, or runestone.yaml's."""
    root = read_schema()

    def check(schema: dict, path: str) -> None:
        found = resolve(schema, root)
        if "properties" in found:
            assert found["additionalProperties"] is False, path
            for name, member in found["properties"].items():
                check(member, f"{path}.{name}")

    check(root, "")
    for name, schema in root["$defs"].items():
        check(schema, name)


def test_every_value_is_told_and_has_a_default():
    root, defaults = read_schema(), read_defaults()
    for path, schema in leaves(root, root):
        assert schema["description"], path
        held = defaults
        for name in path if path[:1] != ("global",) else ():
            optional = {"ephemeral-storage", "cpu", "existingClaim", "enabled"}
            if isinstance(held, dict) and name not in held and name in optional:
                break
            assert name in held, path
            held = held[name]


def test_the_table_in_the_readme_is_made_from_it():
    assert README.read_text() == assemble(README.read_text()), "make chart UPDATE=1 writes it anew"
