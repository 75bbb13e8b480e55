"""Golden renders: what chosen templates of chosen value sets become, as files that a change's reader can see.

What is drawn at random, and hashes that follow from other files, are masked. `make chart UPDATE=1` writes them anew.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from charting.refusals import REFUSALS, refusal_of
from charting.render import CHART, SETS, render_set

GOLDEN = CHART / "golden"

# Of these sets every template but those that are files of their own (dashboards, alerts) or the same in all (Envoy's configuration); of the
# others what the set is there for.
WHOLE = ("minimal", "laptop", "production")
LEFT_OUT = {"dashboards.yaml", "prometheusrule.yaml", "envoy-config.yaml"}
CHOSEN: dict[str, tuple[str, ...]] = {
    "existing-secrets": ("workloads.yaml", "configmap.yaml", "redis.yaml", "postgres.yaml", "tests/ask.yaml"),
    "gateway": ("httproute.yaml", "networkpolicies.yaml", "envoy.yaml"),
    "in-the-clear": ("configmap.yaml", "envoy-config.yaml"),
    "ingress": ("ingress.yaml",),
    "persistent-spool": ("workloads.yaml",),
    "placed": ("workloads.yaml", "services.yaml", "serviceaccounts.yaml"),
    "scaled-by-cpu": ("horizontalpodautoscalers.yaml", "configmap.yaml", "networkpolicies.yaml"),
    "without-envoy": ("configmap.yaml", "networkpolicies.yaml", "poddisruptionbudgets.yaml", "servicemonitor.yaml"),
}

_CHECKSUM = re.compile(r"(checksum/\w+: )[0-9a-f]{64}")
_SECRET_VALUE = re.compile(r"^(  [A-Za-z0-9._-]+: )[A-Za-z0-9+/=]{24,}$", re.MULTILINE)


def mask(text: str) -> str:
    """A rendered template without what differs from one render to the next."""
    documents = re.split(r"(?m)^(?=---)", _CHECKSUM.sub(r"\1<hash>", text))
    masked = [_SECRET_VALUE.sub(r"\1<random>", part) if "\nkind: Secret\n" in part else part for part in documents]
    return "\n".join(line.rstrip() for line in "".join(masked).strip().splitlines()) + "\n"


def goldens() -> Iterator[tuple[Path, str]]:
    """The path of each golden file and what should stand in it."""
    for name in SETS:
        texts = render_set(name).texts
        whole = sorted(texts.keys() - LEFT_OUT)
        for template in whole if name in WHOLE else CHOSEN.get(name, ()):
            yield GOLDEN / name / template.replace("/", "-"), mask(texts[template])
    for scenario in REFUSALS:
        yield GOLDEN / "refusals" / f"{scenario}.txt", refusal_of(scenario) + "\n"


def write() -> None:
    """Writes all files anew, and removes those that nothing is rendered to any more."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for path, text in goldens():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
