"""What the chart becomes is what the golden files show: a change of a template is seen in its review."""

import base64

import pytest
from charting.golden import GOLDEN, goldens
from charting.refusals import REFUSALS, refusal_of
from charting.render import render_set

REWRITE = "make chart UPDATE=1 writes it anew"


def test_golden_files_are_what_is_rendered_today():
    expected = dict(goldens())
    found = {path: path.read_text() for path in GOLDEN.rglob("*") if path.is_file()}
    assert sorted(found) == sorted(expected), REWRITE
    for path, text in expected.items():
        assert found[path] == text, f"{path.relative_to(GOLDEN)}: {REWRITE}"
    assert len(found) >= 40


def test_golden_files_hold_nothing_that_was_drawn_at_random():
    texts = "".join(path.read_text() for path in GOLDEN.rglob("*") if path.is_file())
    for name in ("minimal", "laptop", "production"):
        for secret in render_set(name).of("Secret"):
            assert not any(value in texts for value in secret["data"].values())
    assert base64.b64encode(b"-----BEGIN ").decode().rstrip("=")[:-1] not in texts


@pytest.mark.parametrize("scenario", REFUSALS)
def test_what_cannot_be_correct_is_refused_in_words(scenario):
    assert refusal_of(scenario).startswith("  - ")
