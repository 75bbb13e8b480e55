"""Alerts ask for what there is, say what to do, and fire when they should: Prometheus' own promtool is asked."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from reading.known import labels_of, metrics
from reading.queries import asked_by, named_in
from reading.tool import PROMTOOL

HERE = Path(__file__).parent
ALERTS = HERE.parents[1] / "k8s" / "files" / "alerts.yaml"
SCENES = yaml.safe_load((HERE / "scenes.yaml").read_text())
EDGE = {'runestone_build_info{service="edge", job="edge", instance="base"}': "1x120"}
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool, of Debian's package prometheus")
SEVERITIES = {"critical", "warning"}


def recorded(rules) -> set[str]:
    return {rule["record"] for rule in rules if "record" in rule}


def test_every_rule_asks_for_series_and_labels_that_there_are(rules):
    for rule in rules:
        for one in asked_by(rule["expr"]):
            if one.metric in recorded(rules):
                assert one.labels <= {"namespace"}
                continue
            assert one.metric in metrics(), rule
            assert one.labels - labels_of(one.metric) == set(), (rule, one.metric)


def test_every_alert_says_how_grave_it_is_and_what_it_means(alerts):
    for alert in alerts:
        assert alert["labels"]["severity"] in SEVERITIES
        assert re.fullmatch(r"\d+[mh]", alert["for"]), "of one scrape that failed nobody is called"
        said = alert["annotations"]
        assert said.keys() == {"summary", "description", "runbook_url"}
        assert "{{" not in said["summary"], "it is what alerts are grouped under"
        assert said["description"].endswith(".")


def test_descriptions_name_labels_that_the_rule_keeps(alerts):
    for alert in alerts:
        kept = {"namespace"}.union(*(one.labels | labels_if_known(one.metric) for one in asked_by(alert["expr"])))
        assert named_in(alert["annotations"]["description"]) <= kept, alert["alert"]


def labels_if_known(metric: str) -> frozenset[str]:
    return labels_of(metric) if metric in metrics() else frozenset()


def test_names_are_unique(rules):
    names = [rule.get("alert") or rule["record"] for rule in rules]
    assert len(names) == len(set(names))


@needs_promtool
def test_prometheus_takes_the_rules():
    done = subprocess.run([PROMTOOL, "check", "rules", ALERTS], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire_and_not_to_fire(alerts):
    fires = {name for scene in SCENES.values() for names in scene["fires"].values() for name in names}
    assert fires == {alert["alert"] for alert in alerts}
    assert all([] in scene["fires"].values() or len(scene["fires"]) == 1 for scene in SCENES.values())


@needs_promtool
@pytest.mark.timeout(200)
def test_alerts_fire_when_they_should_and_no_other_does(tmp_path):
    """Each scene's times are asked for all alerts that fire then: Prometheus itself keeps them as the series ALERTS."""
    book = tmp_path / "scenes.yaml"
    scenes = [write_scene(name, scene) for name, scene in SCENES.items()]
    book.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": scenes}))
    done = subprocess.run([PROMTOOL, "test", "rules", book], capture_output=True, text=True, timeout=190, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write_scene(name, scene):
    """As promtool reads it."""
    series = scene["series"] if scene.get("without_edge") else scene["series"] | EDGE
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": at,
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in names],
            }
            for at, names in scene["fires"].items()
        ],
    }
