"""Where wishes come from, what is counted, and the pure parts."""

import base64
import string

import jsonschema
import pytest
from fake_provider import FakeProvider, seals
from fake_provider.multipart import read_form
from fake_provider.refusal import Refusal
from fake_provider.schemas import example
from fake_provider.wishes import Wishes, read_wishes
from hypothesis import given
from hypothesis import strategies as st

BODY = {"model": "words=1", "messages": [{"role": "user", "content": "hello"}]}
CHAT = "/v1/chat/completions"


async def ask(raw, path=CHAT, headers=None, **members):
    async with raw.post(path, json={**BODY, **members}, headers=headers or {}) as answer:
        await answer.read()
        return answer


def test_later_wishes_come_over_earlier_ones():
    wishes = read_wishes("words=2,pace=20ms", "gpt-4o", "words=1KiB,no_done")
    assert wishes == Wishes(words=1024, pace=0.02, no_done=True)


@pytest.mark.parametrize("wish", ["speed=3", "words=many", "pace=3h"])
def test_unknown_wishes_are_errors(wish):
    with pytest.raises(ValueError, match="unknown"):
        read_wishes(wish)


async def test_an_unknown_wish_is_a_refusal(raw):
    assert (await ask(raw, model="speed=3")).status == 400


async def test_a_header_a_script_and_the_provider_wish_too(fake, raw):
    """The header last; a script one request at a time, and a function of it sees the request."""
    fake.script("status=500", lambda exchange: "status=503" if exchange.document["n"] == 2 else "")
    statuses = [(await ask(raw, n=2)).status for _ in range(3)]
    assert statuses == [500, 503, 200]
    fake.script("status=500")
    assert (await ask(raw, headers={"x-fake-wishes": "status=200"})).status == 200
    async with FakeProvider(wishes="status=418") as teapot:
        import aiohttp

        async with aiohttp.ClientSession(teapot.url) as session:
            assert (await ask(session)).status == 418
            assert (await ask(session, model="status=200")).status == 200


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
async def test_keys_are_checked_where_there_are_some(fake, raw, header):
    fake.keys = frozenset({"sk-good"})
    prefix = "Bearer " if header == "authorization" else ""
    assert (await ask(raw, headers={header: f"{prefix}sk-good"})).status == 200
    assert (await ask(raw, headers={header: f"{prefix}sk-bad"})).status == 401


async def test_everything_is_recorded_and_counted(fake, raw):
    await ask(raw, headers={"x-odd": "1"})
    await ask(raw, "/v1/nothing")
    async with raw.get("/v1/models") as answer:
        await answer.read()
    assert fake.requests == 3
    assert dict(fake.paths) == {CHAT: 1, "/v1/nothing": 1, "/v1/models": 1}
    first, second, third = fake.exchanges
    assert (first.document, first.headers["X-Odd"], first.status, first.number) == (BODY, "1", 200, 1)
    assert (second.status, third.status, third.method, third.body) == (404, 200, "GET", b"")
    assert first.written > 0
    assert not first.closed_early.is_set()
    assert (fake.connections.opened, fake.connections.open, fake.connections.aborted) == (1, 1, 0)


SCALARS = st.one_of(
    st.builds(
        lambda least, more: {"type": "integer", "minimum": least, "maximum": least + more},
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 40),
        st.integers(0, 40),
    ),
    st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["null", "number"]},
            {"const": [1]},
            {"enum": ["b", "a"]},
            {"type": "number", "exclusiveMinimum": 3},
        ]
    ),
)


def _larger(schemas):
    names = st.text(string.ascii_letters, min_size=1, max_size=5)
    members = st.dictionaries(names, schemas, max_size=4)
    return st.one_of(
        st.builds(
            lambda items, least: {"type": "array", "items": items, "minItems": least}, schemas, st.integers(0, 3)
        ),
        st.builds(
            lambda have: {
                "type": "object",
                "properties": have,
                "required": sorted(have),
                "additionalProperties": False,
            },
            members,
        ),
        st.builds(lambda choices: {"anyOf": choices}, st.lists(schemas, min_size=1, max_size=3)),
        st.builds(
            lambda have: {"allOf": [{"type": "object", "properties": have}, {"required": sorted(have)}]}, members
        ),
    )


@given(st.recursive(SCALARS, _larger, max_leaves=12))
def test_an_example_is_what_its_schema_allows(schema):
    jsonschema.validate(example(schema), schema)


def test_a_schema_that_holds_itself_has_an_end():
    tree = {
        "$ref": "#/$defs/tree",
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {"left": {"$ref": "#/$defs/tree"}, "kin": {"type": "array", "items": {"$ref": "#"}}},
            }
        },
    }
    jsonschema.validate(example(tree), tree)


@given(
    st.dictionaries(st.text(string.ascii_letters, min_size=1), st.text(), max_size=4),
    st.binary(),
    st.lists(st.text(), max_size=3),
)
def test_forms_are_read_as_they_were_written(fields, content, several):
    """Whatever the bytes of the file are, short of the boundary itself."""
    parts = [f'content-disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [f'content-disposition: form-data; name="0[]"\r\n\r\n{value}'.encode() for value in several]
    head = b'content-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n'
    body = b"".join(b"--b7\r\n%b\r\n" % part for part in [*parts, head + content]) + b"--b7--\r\n"
    read, (upload,) = read_form("multipart/form-data; boundary=b7", body)
    assert read == {**fields, **({"0": several} if several else {})}
    assert (upload.field, upload.filename, upload.media_type, upload.content) == ("file", "a.wav", "audio/wav", content)


@pytest.mark.parametrize("body", [b"", b"--b7\r\nx", b"noise--b7--"])
def test_a_form_that_is_not_whole_is_refused(body):
    with pytest.raises(Refusal):
        read_form("multipart/form-data; boundary=b7", body)


@given(st.text())
def test_seals_are_known_again_by_their_maker_alone(text):
    sealed, signature = seals.encrypt("openai", text), seals.sign("openai", text)
    assert seals.is_own("openai", sealed)
    assert not seals.is_own("anthropic", sealed)
    assert seals.is_signed("openai", text, signature)
    assert not seals.is_signed("openai", f"{text}.", signature)
    raw = bytearray(base64.b64decode(sealed))
    raw[-1] ^= 1
    assert not seals.is_own("openai", base64.b64encode(raw).decode())
