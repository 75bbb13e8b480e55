"""Alerts and dashboards lead to the runbooks, wherever an operator has them."""

import pytest
from charting.render import render, render_set

HERE = "https://docs.example.com/runestone/runbooks"


def test_every_alert_links_to_the_runbooks_of_the_values():
    (rule,) = render_set("production").of("PrometheusRule")
    alerts = [one for group in rule["spec"]["groups"] for one in group["rules"] if "alert" in one]
    assert alerts
    assert [one for one in alerts if not one["annotations"]["runbook_url"].startswith(f"{HERE}/")] == []


def test_dashboards_link_to_the_runbooks_of_the_values():
    dashboards = [
        found for found in render_set("production").of("ConfigMap") if "-dashboard-" in found["metadata"]["name"]
    ]
    assert dashboards
    for found in dashboards:
        (text,) = found["data"].values()
        assert f"{HERE}/" in text
        assert "runbooks.invalid" not in text


def test_labels_of_ours_win_over_those_of_prometheus_operator():
    """It calls the Kubernetes Service `service`, which would take the place of the label that dashboards and alerts ask for."""
    (monitor,) = render_set("production").of("ServiceMonitor")
    (ours,) = [endpoint for endpoint in monitor["spec"]["endpoints"] if endpoint["port"] == "admin"]
    assert ours["honorLabels"] is True


@pytest.mark.parametrize("address", ["docs/runbooks", "https://docs.example.com/runbooks/", ""])
def test_what_is_no_address_of_a_folder_is_refused(address):
    with pytest.raises(Exception, match="runbooks"):
        render({"monitoring": {"runbooks": address}})
