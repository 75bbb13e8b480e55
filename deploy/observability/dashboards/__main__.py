"""Writes the chart's dashboards anew: `make dashboards`."""

from dashboards.pages import FOLDER, texts

FOLDER.mkdir(exist_ok=True)
for path in FOLDER.glob("*.json"):
    path.unlink()
for path, text in texts().items():
    path.write_text(text)
