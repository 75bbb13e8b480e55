"""Grafana's JSON of a dashboard: the classic model, schema version 41 (Grafana 12), which older and newer ones read as well."""

from collections.abc import Iterator, Sequence
from typing import Any

from dashboards.model import Dashboard, Panel, Query, Row, Variable

Json = dict[str, Any]

SCHEMA_VERSION = 41
COLUMNS = 24
# Where runbooks are read: the chart puts `monitoring.runbooks` in its place.
RUNBOOKS = "https://runbooks.invalid"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "runestone"


def write_dashboard(dashboard: Dashboard) -> Json:
    """What Grafana imports."""
    return {
        "uid": f"runestone-{dashboard.name}",
        "title": f"Runestone / {dashboard.title}",
        "description": dashboard.says,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,  # the crosshair is shared
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "links": [_link_to_others()],
        "annotations": {"list": [_reloads()]},
        "templating": {"list": [_choose_source(), *_write_variables(dashboard.variables)]},
        "panels": list(_lay_out(dashboard.rows)),
    }


def _lay_out(rows: Sequence[Row]) -> Iterator[Json]:
    """Panels from left to right, a new line where one does not fit any more."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield _write_row(row, number, top)
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            number += 1
            yield _write_panel(panel, number, {"x": left, "y": top, "w": panel.width, "h": panel.height})
            left, height = left + panel.width, max(height, panel.height)
        top += height


def _write_row(row: Row, number: int, top: int) -> Json:
    grid = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": grid, "panels": []}


def _write_panel(panel: Panel, number: int, grid: Json) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": grid,
        "links": _link_runbook(panel.runbook),
        "targets": [_write_query(query, panel, index) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _write_field(panel), "overrides": []},
        "options": OPTIONS[panel.kind],
        **EXTRAS.get(panel.kind, {}),
    }


def _write_query(query: Query, panel: Panel, index: int) -> Json:
    is_table = panel.kind == "table"
    return {
        "refId": chr(ord("A") + index),
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "exemplar": query.exemplar,
        "instant": is_table,
        "range": not is_table,
        "format": "table" if is_table else "time_series",
    }


def _write_field(panel: Panel) -> Json:
    steps = [{"value": None, "color": "green"}, *({"value": value, "color": color} for value, color in panel.steps)]
    field: Json = {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "thresholds" if panel.kind == "stat" else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if panel.most is not None:
        field["max"] = panel.most
    if panel.kind == "timeseries":
        field["custom"] = {
            "lineWidth": 1,
            "fillOpacity": 30 if panel.is_stacked else 8,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.is_stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
        }
    return field


OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "table": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
}
EXTRAS: dict[str, Json] = {
    "table": {"transformations": [{"id": "organize", "options": {"excludeByName": {"Time": True}}}]},
}


def _link_runbook(page: str) -> list[Json]:
    if not page:
        return []
    return [{"title": "Runbook", "url": f"{RUNBOOKS}/{page}.md", "targetBlank": True}]


def _link_to_others() -> Json:
    return {
        "type": "dashboards",
        "title": "Runestone",
        "tags": [TAG],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
    }


def _reloads() -> Json:
    """A line where the configuration changed."""
    return {
        "name": "configuration changed",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "blue",
        "expr": 'sum(increase(runestone_snapshot_reloads_total{namespace=~"$namespace", outcome="changed"}[1m])) > 0',
        "titleFormat": "configuration changed",
    }


def _choose_source() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}


def _write_variables(variables: Sequence[Variable]) -> Iterator[Json]:
    """Each offers what is left under those before it. `All` is every value, also none: without Kubernetes nothing has a namespace."""
    matchers = ""
    for one in variables:
        query = f"label_values({one.metric}{{{matchers}}}, {one.label})"
        yield {
            "name": one.name,
            "label": one.name,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": f"variable-{one.name}"},
            "definition": query,
            "refresh": 2,  # when the time range changes
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }
        if one.name == "namespace":
            matchers = 'namespace=~"$namespace"'
