"""A finding fails; not having been able to ask is said, and never taken for an all-clear."""

import sys

import pytest

from supply import advisories
from supply.advisories import FOUND, UNASKED, Report, read_report, tell

CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {
    "name": "c",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2"], "fix_versions": ["3"]}, {"id": "PYSEC-4", "fix_versions": []}],
}


@pytest.mark.parametrize(
    ("packages", "code", "strict_code", "said"),
    [
        ([CLEAN], 0, 0, "audit-deps: 1 packages, no known vulnerability"),
        ([SKIPPED], 0, UNASKED, "NOT AUDITED: 1 of 1 packages"),
        ([CLEAN, SKIPPED], 0, UNASKED, "NOT AUDITED: 1 of 2 packages"),
        ([CLEAN, SKIPPED, VULNERABLE], FOUND, FOUND, "VULNERABLE: c 2: PYSEC-1, CVE-2; fixed in 3\naudit-deps: VULNERABLE: c 2: PYSEC-4; fixed in no"),
    ],
    ids=["clean", "skipped", "some skipped", "vulnerable"],
)  # fmt: skip
def test_what_comes_of_a_report(capsys, packages, code, strict_code, said):
    report = read_report({"dependencies": packages})
    assert tell(report, len(packages), is_strict=False) == code
    assert tell(report, len(packages), is_strict=True) == strict_code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(("is_strict", "code"), [(False, 0), (True, UNASKED)])
def test_a_tool_that_fails_is_no_all_clear(capsys, is_strict, code):
    assert tell(None, 60, is_strict=is_strict) == code
    assert "NOT AUDITED: 60 of 60 packages" in capsys.readouterr().out


def run_main(monkeypatch, audit, *arguments):
    monkeypatch.setattr(advisories, "_export", lambda _uv: ["a==1", "b==2", "c==3"])
    monkeypatch.setattr(advisories, "_audit", audit)
    monkeypatch.setattr(sys, "argv", ["audit-deps", *arguments])
    return advisories.main()


def test_where_nobody_answers_for_one_package_nobody_is_asked_about_all(monkeypatch, capsys):
    asked = []

    def audit(requirements):
        asked.append(list(requirements))
        return Report(audited=0, findings=[], skipped=["a"])

    assert run_main(monkeypatch, audit) == 0
    assert run_main(monkeypatch, audit, "--strict") == UNASKED
    assert asked == [["a==1"]] * 2
    assert "NOT AUDITED: 3 of 3 packages" in capsys.readouterr().out


def test_where_somebody_answers_all_are_asked_about(monkeypatch, capsys):
    def audit(requirements):
        return Report(audited=len(requirements), findings=[], skipped=[])

    assert run_main(monkeypatch, audit, "--strict") == 0
    assert "3 packages, no known vulnerability" in capsys.readouterr().out
