"""Where Prometheus' own checker is: on the PATH, or as `make promtool` laid it down."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[4]
LAID_DOWN = ROOT / ".tools" / "prometheus" / "usr" / "bin" / "promtool"

PROMTOOL: str | None = shutil.which("promtool") or (str(LAID_DOWN) if LAID_DOWN.exists() else None)
