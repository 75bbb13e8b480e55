"""Which tenants have metrics of their own: so many, that their number is bounded whatever the configuration holds."""

from collections.abc import Callable

OTHERS = "_other"  # no tenant is called so: names begin with a letter or digit


class TenantLabels:
    """Gives a tenant its label: its name for the first `most()` that call, `_other` for the rest."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._labels: dict[str, str] = {}

    def of(self, tenant: str) -> str:
        """The label of `tenant`; what it has once it keeps."""
        label = self._labels.get(tenant)
        if label is None:
            if len(self._labels) >= self._most():
                return OTHERS
            label = self._labels[tenant] = tenant
        return label
