"""Values that configuration writes with a unit: durations and sizes; and values that must not be shown: secrets."""

import re

_NUMBER = re.compile(r"\s*(\d[\d_]*(?:\.\d+)?)\s*([a-zA-Z]*)\s*")
_PASSWORD = re.compile(r"((?:://[^:@/]*:)|(?:[?&]password=))(?:.*(?=@)|[^@&]+)")
_LARGEST = 2**63 - 1
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 10**3, "MB": 10**6, "GB": 10**9}


class Duration(float):
    """Seconds, written as `500ms`, `30s`, `10m`, `1h`, `1d` or a plain number of seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Raises ValueError with the accepted forms when `value` is none of them."""
        return cls(_parse(value, _SECONDS, "a duration such as 500ms, 30s, 10m, 1h"))


class Size(int):
    """Bytes, written as `64MiB`, `10MB`, `4KiB` or a plain number of bytes."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Size":
        """Raises ValueError with the accepted forms when `value` is none of them."""
        return cls(_parse(value, _BYTES, "a size such as 64MiB, 4KiB, 10MB"))


def _parse(value: object, units: "dict[str, float] | dict[str, int]", expected: str) -> float:
    number = value
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value)) and match[2] in units:
        number = float(match[1].replace("_", "")) * units[match[2]]
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number <= _LARGEST:
        raise ValueError(f"Expected {expected}")
    return number


class MaskedUrl(str):
    """An address that may hold a password, which its `repr` and `masked` hide."""

    __slots__ = ()

    @property
    def masked(self) -> str:
        """The address with `***` for its password."""
        return _PASSWORD.sub(r"\1***", self)

    def __repr__(self) -> str:
        return repr(self.masked)


class StoreUrl(MaskedUrl):
    """Where a store is: `memory`, `redis://user:password@host`, `redis+cluster://user:password@host,host`,
    `sqlite`, `postgresql://user:password@host/database`."""

    __slots__ = ()


class ProxyUrl(MaskedUrl):
    """Where an HTTP proxy is: `http://user:password@host:3128`."""

    __slots__ = ()


class Secret:
    """A string that is shown as `***` everywhere; `reveal()` gives it to the one place that needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "***"
