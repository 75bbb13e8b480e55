"""Alerts and dashboards are files of the chart: each reaches the cluster as it is, or the chart says that it has none."""

import json

import helm_python
import pytest
import yaml
from charting.pods import workloads
from charting.render import CHART, render, render_set
from charting.strict import check

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
LARGEST = 1 << 20  # bytes that a ConfigMap may hold
ON = {"monitoring": {name: {"enabled": True} for name in ("serviceMonitor", "dashboards")}}


def test_alerts_reach_the_cluster_as_they_are_written():
    values = {"monitoring": {"rules": {"enabled": True, "labels": {"release": "prometheus"}}}}
    if not ALERTS.exists():
        with pytest.raises(helm_python.HelmRenderError, match="without files/alerts"):
            render(values)
        return
    (rule,) = render(values).of("PrometheusRule")
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    assert check(rule) == []


def test_every_dashboard_is_a_configmap_of_its_own():
    made = [found for found in render(ON).of("ConfigMap") if "grafana_dashboard" in found["metadata"]["labels"]]
    texts = [text for found in made for text in found["data"].values()]
    assert sorted(texts) == sorted(path.read_text() for path in DASHBOARDS)
    for text in texts:
        assert json.loads(text)
        assert len(text.encode()) < LARGEST


def test_every_pod_of_ours_is_read_once():
    """The relabelling keeps the headless Services; Envoy has a Service for its numbers alone."""
    rendered = render_set("production")
    (monitor,) = rendered.of("ServiceMonitor")
    by_port = {endpoint["port"]: endpoint for endpoint in monitor["spec"]["endpoints"]}
    assert by_port.keys() == {"admin", "metrics"}
    (keep,) = by_port["admin"]["relabelings"]
    assert (keep["action"], keep["regex"]) == ("keep", ".*-headless")
    named = {
        port: [
            service["metadata"]["name"]
            for service in rendered.of("Service")
            if port in [one["name"] for one in service["spec"]["ports"]]
        ]
        for port in by_port
    }
    assert len([name for name in named["admin"] if name.endswith("-headless")]) == 5
    assert len(named["metrics"]) == 1
    assert len(workloads(rendered)) == 5 + 1 + 1  # ours, Envoy, and the pod of `helm test`
