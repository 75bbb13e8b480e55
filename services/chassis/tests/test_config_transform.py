"""A transform that is accepted works: its paths, patterns, templates and headers mean something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import ConfigError, parse_settings
from chassis.config.transform.paths import Each, parse_path
from chassis.config.transform.patterns import check_pattern, compile_pattern
from chassis.config.transform.spans import Span, span_of
from chassis.config.transform.templates import Placeholder, parse_template


def problems_of(*changes: str, side: str = "request", more: str = "") -> list[str]:
    """What is wrong with a transform, a change a line, from line 5 on; [] when nothing is."""
    lines = "".join(f"        - {change}\n" for change in changes)
    text = (
        f"pipelines:\n  default:\n    - authenticate\n    - transform:\n{more}        {side}:\n{lines}    - validate\n"
    )
    try:
        parse_settings(text, environment={})
    except ConfigError as error:
        return list(map(str, error.problems))
    return []


REQUEST_CHANGES = [
    "set: {path: temperature, value: 0.2}",
    "set: {path: 'messages[*].cache', value: {kind: [1, null, text]}}",
    "default: {path: max_tokens, value: 512}",
    "rename: {from: max_tokens, to: max_completion_tokens}",
    "rename: {from: user, to: metadata.user}",
    "rename: {from: 'messages[*].name', to: 'messages[*].speaker'}",
    "remove: {path: user}",
    "remove: {path: 'messages[-1]'}",
    "template: {path: metadata.tenant, text: '{tenant}/{key} {{{request_id}}} {model} {metadata.team} {header.X-Team}'}",
    "model: {from: 'gpt-4*', to: 'openai/*'}",
    "model: {from: gpt-4, to: fast}",
    "system_prompt: {prefix: 'Be {brief}.'}",
    "redact: {pattern: '\\bsk-[A-Za-z0-9]{20,64}\\b', with: '[key]'}",
    "redact: {pattern: '[0-9]{1,1000}', with: '#', in: metadata.note, longest: 1000}",
    "header: {set: {X-Team: '{tenant}', cache-control: no-cache}, remove: [X-Other]}",
]
RESPONSE_CHANGES = [
    "set: {path: model, value: fast}",
    "default: {path: service_tier, value: default}",
    "rename: {from: system_fingerprint, to: fingerprint}",
    "remove: {path: 'choices[*].logprobs'}",
    "redact: {pattern: '[0-9]{3}', in: all}",
    "header: {set: {x-served-for: '{tenant}'}, remove: [x-runestone-provider]}",
]


def test_every_change_is_accepted():
    assert problems_of(*REQUEST_CHANGES, more="        headers: [x-team]\n") == []
    assert problems_of(*RESPONSE_CHANGES, side="response", more="        max_answer: 4MiB\n") == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("set: {path: temperature}", ".set: `value` is missing"),
        ("sett: {path: a, value: 1}", ".sett: unknown key; known here: set, default, rename"),
        ("set: {path: a, value: 1, by: me}", ".set.by: unknown key; known here: path, value"),
        ("set: {path: 'a..b', value: 1}", ".set.path: is not a path such as `temperature`"),
        ("set: {path: '', value: 1}", ".set.path: is not a path such as"),
        ("set: {path: '[0]', value: 1}", ".set.path: a document is an object"),
        ("set: {path: stream, value: true}", ".set.path: `stream` is how the client reads the answer; it stays"),
        ("remove: {path: '[\"stream\"]'}", ".remove.path: `stream` is how the client"),
        ("rename: {from: a, to: stream}", ".rename.to: `stream` is how the client"),
        ("rename: {from: 'a[0]', to: b}", ".rename.to: what is renamed is a member"),
        ("rename: {from: 'a[*].b', to: c}", ".rename.to: with `[*]`, both paths lead to the same object"),
        ("remove: null", ": must be one change; found none"),
        ("{set: {path: a, value: 1}, remove: {path: b}}", ": must be one change; found set, remove"),
        ("template: {path: a, text: '{tenan}'}", ".template.text: `{tenan}` is not known; known here: tenant, key"),
        ("template: {path: a, text: '{tenant!r}'}", ".template.text: `{tenant}` takes no format"),
        ("template: {path: a, text: 'half a {'}", ".template.text: Single '{' encountered"),
        ("template: {path: a, text: '{header.x-team}'}", ".template.text: `{header.x-team}` reads a header that is not in"),
        ("template: {path: a, text: '{header.authorization}'}", ".template.text: `{header.authorization}` reads a header"),
        ("model: {from: 'g*t', to: fast}", ".model.from: `*` may stand at the end only"),
        ("model: {from: gpt, to: 'openai/*'}", ".model.from: `*` in `to` stands for nothing"),
        ("model: {from: '', to: fast}", ".model.from: Expected `str` of length >= 1"),
        ("redact: {pattern: '('}", ".redact.pattern: is no pattern: missing ): ("),
        ("redact: {pattern: '(?=a)'}", ".redact.pattern: is no pattern: invalid perl operator"),
        ("redact: {pattern: 'sk-[a-z]+'}", ".redact.pattern: can match without end, more than `longest` (256)"),
        ("redact: {pattern: '[a-z]{300}'}", ".redact.pattern: can match 300 characters, more than `longest` (256)"),
        ("redact: {pattern: 'a?'}", ".redact.pattern: can match nothing at all"),
        ("redact: {pattern: '\\b'}", ".redact.pattern: can match nothing at all"),
        ("redact: {pattern: '\\Qa\\E'}", ".redact.pattern: has \\Q, which is not taken here"),
        ("redact: {pattern: '[a-z]{3}'}", ".redact.with: is itself what the pattern finds"),
        ("redact: {pattern: 'a', with: ''}", ".redact.with: is empty"),
        ("redact: {pattern: 'a', with: '\"'}", ".redact.with: holds a quote"),
        ("redact: {pattern: '[0-9]', longest: 5000}", ".redact.longest: Expected `int` <= 4096"),
        ("redact: {pattern: '[0-9]', in: 'a['}", ".redact.in: is not a path"),
        ("header: {set: {authorization: x}}", ".header.set.authorization: 'authorization' is not for a transform"),
        ("header: {set: {x-runestone-pipeline: x}}", ".header.set.x-runestone-pipeline: 'x-runestone-pipeline' is not for"),
        ("header: {set: {'a b': x}}", ".header.set.a b: 'a b' is no name of a header"),
        ('header: {set: {x-a: "two\\nlines"}}', ".header.set.x-a: holds a control character"),
        ("header: {remove: [content-length]}", ".header.remove[0]: 'content-length' is not for a transform"),
    ],
)  # fmt: skip
def test_what_could_not_work_is_refused_where_it_stands(change, problem):
    (found,) = problems_of(change)
    assert found.startswith(f"line 6: pipelines.default[1].transform.request[0]{problem}"), found


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "template: {path: a, text: b}",
            ".template: unknown key; known here: set, default, rename, remove, redact, header",
        ),
        ("redact: {pattern: '[0-9]', in: messages}", ".redact.in: Invalid enum value 'messages'"),
        ("header: {remove: [content-type]}", ".header.remove[0]: 'content-type' is not for a transform"),
        ("header: {set: {x-request-id: a}}", ".header.set.x-request-id: 'x-request-id' is not for a transform"),
    ],
)
def test_an_answer_has_changes_of_its_own(change, problem):
    (found,) = problems_of(change, side="response")
    assert found.startswith(f"line 6: pipelines.default[1].transform.response[0]{problem}"), found


def test_patterns_that_are_too_large_alone_or_together_are_refused():
    large, larger = (rf"redact: {{pattern: '\pL{{1,{count}}}', with: '#'}}" for count in (3, 4))
    assert problems_of(large, large, side="response") == []
    (alone,) = problems_of(larger)
    assert alone.startswith("line 6: pipelines.default[1].transform.request[0].redact.pattern: is too large")
    (together,) = problems_of(*[large] * 3, side="response")
    assert together.startswith("line 6: pipelines.default[1].transform.response: is too large")


def test_credentials_are_for_no_template():
    (found,) = problems_of("remove: {path: a}", more="        headers: [Authorization]\n")
    assert found.startswith("line 5: pipelines.default[1].transform.headers[0]: 'Authorization' is not for a transform")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("authenticate; {transform: {}}; validate; rate_limit; cache", []),
        ("authenticate; validate; {transform: }; rate_limit; cache", []),
        ("authenticate; validate; cache; transform", ["`cache` must stand after `transform`"]),
        ("authenticate; validate; rate_limit; transform", ["`rate_limit` must stand after `transform`"]),
        ("transform; authenticate; validate", ["`authenticate` must be the first step"]),
        ("authenticate; transform", ["leaves out `validate`"]),
    ],
)
def test_what_counts_or_keeps_a_call_stands_behind_what_changes_it(steps, expected):
    lines = "".join(f"    - {step}\n" for step in steps.split("; "))
    try:
        parse_settings(f"pipelines:\n  default:\n{lines}", environment={})
        found = []
    except ConfigError as error:
        found = [problem.message for problem in error.problems]
    assert [message[: len(start)] for message, start in zip(found, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("temperature", ("temperature",)),
        ("metadata.tenant", ("metadata", "tenant")),
        ("messages[0].content[-1]", ("messages", 0, "content", -1)),
        ("tools[*].function.name", ("tools", Each.ITEM, "function", "name")),
        ('["a.b"].c["[0]"]', ("a.b", "c", "[0]")),
        ("größe x", ("größe x",)),
    ],
)
def test_a_path_is_read_as_it_is_written(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text", [".a", "a.", "a[", "a[]", "a[1", "a[x]", 'a["', "a]b", "a.[0]", "[0]a", "a[**]", ".".join("a" * 33)]
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ValueError, match="is not a path"):
        parse_path(text)


def test_a_template_keeps_its_braces_and_knows_its_places():
    parts = parse_template("{{a}} {tenant}{metadata.a.b}-{header.X-Team}", {"x-team"})
    places = [Placeholder("tenant"), Placeholder("metadata", "a.b"), "-", Placeholder("header", "x-team")]
    assert ["".join(part for part in parts[:-4] if isinstance(part, str)), *parts[-4:]] == ["{a} ", *places]


@given(st.text("{}!:.abtenant[]*", max_size=20))
def test_any_text_is_a_template_or_refused(text):
    try:
        parse_template(text, ())
    except ValueError:
        return


@pytest.mark.parametrize(
    ("pattern", "shortest", "longest"),
    [
        ("", 0, 0),
        (r"\bsk-[A-Za-z0-9]{20,40}\b", 23, 43),
        ("(?i)abc|d", 1, 3),
        ("(a|bc){2,3}", 2, 6),
        ("(?:ab)?c", 1, 3),
        (r"[]a][^]][[:alpha:]][\]\\]", 4, 4),
        (r"\pN\p{Greek}\x41\x{1F600}\101\n\.", 7, 7),
        (r"^(?m:^a$)\z", 1, 1),
        ("a{,1}", 5, 5),  # RE2 takes it for text
        ("a{2,}", 2, float("inf")),
        (r"\b+(?:)*x", 1, 1),
        ("(?P<day>[0-9]{2})(?<month>[0-9]{2})", 4, 4),
        ("é{3}", 3, 3),
        ("a??b*?", 0, float("inf")),
        ("a(?i)?", 0, 1),
        ("(?i)ab{2}", 3, 3),
    ],
)
def test_the_span_of_a_pattern(pattern, shortest, longest):
    assert compile_pattern(pattern).groups >= 0
    assert span_of(pattern) == Span(shortest, longest)


ALPHABET = [
    *list("ab|()[]{}?*+^$.-,:\\1"),
    "{1,2}",
    "(?:",
    "(?i)",
    "[^",
    "[[:alpha:]]",
    "\\b",
    "\\d",
    "\\x41",
    "\\pL",
    "\\]",
    "{2}",
]


@given(st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join), st.text("abA1 -]", max_size=24))
def test_no_match_is_longer_or_shorter_than_its_pattern_says(pattern, text):
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        return
    span = span_of(pattern)
    for match in compiled.finditer(text.encode()):
        assert span.shortest <= match.end() - match.start() <= span.longest


def test_a_pattern_that_could_stall_others_takes_linear_time_here():
    """A backtracking matcher would not come back from this within the test's time."""
    pattern = "(?:a{0,20}){0,10}b"
    assert check_pattern(pattern, 256).longest == 201
    assert list(compile_pattern(pattern).finditer(b"a" * 100_000)) == []
