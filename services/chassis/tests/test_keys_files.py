"""Keys of files: checked as if they stood in the configuration, and told of in the terms of their own file."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError, parse_settings
from chassis.config.decode import settle_document
from chassis.config.document import read_document
from chassis.config.keys_files import attach_keys, keys_path

ACME = "tenants:\n- name: acme\n"
HASHES = [f"sha256:{digit * 64}" for digit in "0123"]


@pytest.fixture
def files(tmp_path):
    """Writes keys files; gives the problems, each behind its file, or the settings."""

    class Files:
        def write(self, text: str, tenant: str = "acme") -> None:
            path = keys_path(tenant, None, tmp_path)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

        def read(self, text: str = ACME):
            return parse_settings(text, tmp_path, environment={})

        def problems(self, text: str = ACME) -> list[str]:
            with pytest.raises(ConfigError) as caught:
                self.read(text)
            return [problem.tell("main").replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return Files()


@pytest.mark.parametrize("write", [json.dumps, lambda values: "tenant: acme\nkeys:\n- name: app\n  hash: " + HASHES[0]])
def test_keys_of_a_file_are_the_tenants_after_its_own(files, write):
    files.write(write({"tenant": "acme", "keys": [{"name": "app", "hash": HASHES[0]}]}))
    settings = files.read(f"{ACME}  keys: [{{name: ci, hash: {HASHES[1]}}}]\n")
    assert [(key.name, key.hash) for key in settings.tenants[0].keys] == [("ci", HASHES[1]), ("app", HASHES[0])]


def test_no_file_is_no_keys(files):
    assert files.read().tenants[0].keys == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("tenant: acme\nkeys:\n- name: app\n  hash: nonsense\n", ["keys/acme.yaml: line 4: keys[0].hash: must be sha256:"]),
        ("tenant: acme\nkeys:\n- name: app\n  hsh: x\n", ["keys/acme.yaml: line 4: keys[0].hsh: unknown"]),
        ("tenant: other\nkeys: []\n", ["keys/acme.yaml: line 1: tenant: this is the keys file of 'acme'"]),
        ("keys: []\n", ["keys/acme.yaml: line 1: `tenant` is missing"]),
        ("tenant: acme\nkes: []\n", ["keys/acme.yaml: line 2: kes: unknown key; known here: tenant, keys"]),
        ("tenant: acme\nkeys: {}\n", ["keys/acme.yaml: line 2: keys: Expected `array`"]),
        ("tenant: acme\nkeys: [app]\n", ["keys/acme.yaml: line 2: keys[0]: Expected `object`"]),
        ("[1", ["keys/acme.yaml: line 1: not YAML:"]),
        ("", ["keys/acme.yaml: `tenant` is missing"]),
        ("- 1", ["keys/acme.yaml: line 1: Expected `object`, got `array`"]),
        ("tenant: acme\nkeys: [{name: a, secret: 0123456789abcdef}]", ["keys/acme.yaml: line 2: keys[0].secret: a keys file holds no secrets"]),
        ('{"tenant": "acme", "keys": [\n{"name": "a", "secret": "${HOME}"}]}', ["keys/acme.yaml: line 2: keys[0].secret: a keys file holds no secrets"]),
        (f'{{"tenant": "acme", "keys": [\n{{"name": "a", "hash": "{HASHES[0]}"}},\n{{"name": "a", "hash": "{HASHES[1]}"}}]}}',
         ["keys/acme.yaml: line 2: keys[0].name: 'a' stands 2 times", "keys/acme.yaml: line 3: keys[1].name: 'a' stands 2 times"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_the_files_own_name_line_and_path(files, text, problems):
    files.write(text)
    found = files.problems()
    assert len(found) == len(problems)
    for got, expected in zip(found, problems, strict=True):
        assert got.startswith(expected)


def test_the_same_key_in_file_and_configuration_is_told_of(files):
    files.write(json.dumps({"tenant": "acme", "keys": [{"name": "b", "hash": HASHES[0]}]}))
    assert files.problems(f"{ACME}  keys: [{{name: a, hash: {HASHES[0]}}}]\n") == [
        "keys/acme.yaml: line 1: keys[0]: is the same key as acme/a"
    ]


def test_a_file_is_one_tenants(files, tmp_path):
    shared = f"tenants: [{{name: acme, keys_file: {tmp_path}/k}}, {{name: other, keys_file: {tmp_path}/./k}}]"
    assert files.problems(shared) == ["main: line 1: tenants[1].keys_file: k is the keys file of acme, too; each tenant needs its own"]  # fmt: skip


def test_a_file_that_cannot_be_read_is_told_of_where_it_is_named(files, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "noise").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")  # nobody writes to it: who read it would wait for ever
    text = f"tenants:\n- {{name: a, keys_file: {tmp_path}/folder}}\n- {{name: b, keys_file: {tmp_path}/noise}}\n"
    text += f"- {{name: c, keys_file: {tmp_path}/pipe}}\n"
    assert files.problems(text) == [
        "main: line 2: tenants[0].keys_file: cannot read folder: is not a regular file",
        "main: line 3: tenants[1].keys_file: cannot read noise: not UTF-8 text",
        "main: line 4: tenants[2].keys_file: cannot read pipe: is not a regular file",
    ]


@pytest.mark.parametrize("name", ["../acme", "a/b", "", ".hidden", "a\n"])
def test_a_name_that_is_none_leads_to_no_file(name, tmp_path):
    document = read_document(f"tenants: [{{name: {json.dumps(name)}}}]")
    attach_keys(document, tmp_path)
    assert document.files == []


def test_the_files_that_a_configuration_depends_on_are_listed(tmp_path):
    """There or not: one that is made later counts, too."""
    text = "tenants: [{name: acme}, {name: b, keys_file: k.yaml}]\nedge: {key_pepper: '${FILE:/nowhere/pepper}'}"
    document = read_document(text)
    attach_keys(document, tmp_path)
    assert list(map(str, document.files)) == ["/nowhere/pepper", f"{tmp_path}/keys/acme.yaml", "k.yaml"]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(HASHES),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["tenant", "keys", "name", "hash", "previous", "secret", "scopes"]) | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.text(max_size=60) | PLAIN.map(json.dumps) | PLAIN.map(lambda keys: json.dumps({"tenant": "acme", "keys": keys}))
)
def test_whatever_stands_in_a_file_it_is_keys_or_a_list_of_problems(tmp_path_factory, text):
    document = read_document(ACME)
    attach_keys(document, tmp_path_factory.getbasetemp(), lambda _path: text)
    assert document.problems == [] or all(problem.file.endswith("acme.yaml") for problem in document.problems)
    try:
        settings = settle_document(document)
    except ConfigError as caught:
        problems = caught.problems
        assert {problem.file for problem in problems} == {str(document.files[0])}
    else:
        assert all(key.hash in HASHES for key in settings.tenants[0].keys)
