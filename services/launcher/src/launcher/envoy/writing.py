"""A document as YAML, with expressions of a template in it. Pure."""

from typing import Any

import yaml

from launcher.envoy.site import Expression


class _Dumper(yaml.SafeDumper):
    """Writes what stands twice twice: anchors are hard to read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True


_OPEN, _CLOSE = "@@(", ")@@"  # what YAML would have to quote is put in behind it


def _represent(dumper: _Dumper, expression: Expression) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", f"{_OPEN}{expression.text.encode().hex()}{_CLOSE}")


_Dumper.add_representer(Expression, _represent)


def write_yaml(document: object, head: str = "") -> str:
    """The document behind `head`, a comment; members in their order, expressions as they are."""
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120)
    return head + _reveal(text)


def _reveal(text: str) -> str:
    pieces = text.replace(f"'{_OPEN}", _OPEN).replace(f"{_CLOSE}'", _CLOSE).split(_OPEN)
    revealed = [pieces[0]]
    for piece in pieces[1:]:
        coded, _, rest = piece.partition(_CLOSE)
        revealed += [bytes.fromhex(coded).decode(), rest]
    return "".join(revealed)
