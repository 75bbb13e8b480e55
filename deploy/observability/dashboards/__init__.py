"""Grafana's dashboards, written down as tables of panels; `make dashboards` makes the chart's JSON of them."""
