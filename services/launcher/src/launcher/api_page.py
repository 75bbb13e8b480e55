"""The edge's OpenAPI document as one HTML page that asks nobody for anything: no script, no font, no picture."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from launcher.api_markup import Html, code, paragraphs, table, text_of
from launcher.api_schemas import write_schema, write_type

Node = Mapping[str, Any]

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1d2430;background:#fff;max-width:62rem;margin:0 auto;padding:1rem}
h2{border-top:1px solid #d8dee8;padding-top:1.5rem;margin-top:2.5rem}h3{margin-top:2rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
td,th{border-bottom:1px solid #e6eaf0;padding:.35rem .6rem .35rem 0;text-align:left;vertical-align:top}
code,pre{font:.9em ui-monospace,monospace;background:#f2f4f8;border-radius:3px;padding:.1em .25em}
pre{padding:.8rem;overflow-x:auto}pre code{padding:0}a{color:#1a56b0}b.method{color:#0b6b3a}.quiet{color:#5b6675}
@media(prefers-color-scheme:dark){body{color:#dfe5ee;background:#12161c}code,pre{background:#1e242d}a{color:#7fb0ff}
h2{border-color:#2c3440}td,th{border-color:#262d38}b.method{color:#5fd39a}.quiet{color:#93a0b3}}
"""


def render_page(document: Node) -> str:
    """The page: what the gateway is, who may call, every route, every schema."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} <span class=quiet>{escape(info['version'])}</span></h1>",
        paragraphs(info["description"]),
        "<p><a href='openapi.json'>The document itself</a></p>",
        "<h2>Who may call</h2>",
        _write_schemes(document["components"]["securitySchemes"]),
        *(part for tag in document["tags"] for part in _write_tag(document, tag)),
        "<h2>Schemas</h2>",
        *(write_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
    ]
    head = (
        f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(info['title'])}</title>"
    )
    return f"<!doctype html><html lang=en>{head}<style>{STYLE}</style><body>{''.join(parts)}</body></html>"


def _write_schemes(schemes: Node) -> Html:
    return table(["name", "how"], ([code(name), text_of(scheme)] for name, scheme in schemes.items()))


def _write_tag(document: Node, tag: Node) -> Iterable[Html]:
    yield f"<h2>{escape(tag['name'])}</h2>{paragraphs(tag['description'])}"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag["name"] in operation["tags"]:
                yield _write_operation(document, method, path, operation)


def _write_operation(document: Node, method: str, path: str, operation: Node) -> Html:
    head = f"<h3 id='{operation['operationId']}'><b class=method>{method.upper()}</b> {code(path)}</h3>"
    parameters = [resolve(document, parameter) for parameter in operation.get("parameters", ())]
    return "".join(
        [
            head,
            paragraphs(operation["summary"]),
            paragraphs(operation.get("description", "")),
            _write_parameters(parameters),
            _write_body(operation.get("requestBody")),
            _write_responses(document, operation["responses"]),
        ]
    )


def _write_parameters(parameters: Iterable[Node]) -> Html:
    rows = ([code(given["name"]), given["in"], write_type(given["schema"]), text_of(given)] for given in parameters)
    return f"<h4>Parameters</h4>{table(['name', 'in', 'type', 'meaning'], rows)}"


def _write_body(body: Node | None) -> Html:
    if body is None:
        return ""
    parts = ["<h4>Request body</h4>", paragraphs(body["description"])]
    for media_type, content in body["content"].items():
        parts.append(f"<p>{code(media_type)}: {write_type(content['schema'])}</p>")
        parts += [_write_example(example) for example in content.get("examples", {}).values()]
    return "".join(parts)


def _write_example(example: Node) -> Html:
    pretty = json.dumps(example["value"], indent=2, ensure_ascii=False)
    return f"<details><summary>{escape(example['summary'])}</summary><pre><code>{escape(pretty)}</code></pre></details>"


def _write_responses(document: Node, responses: Node) -> Html:
    rows = []
    for status, reference in responses.items():
        response = resolve(document, reference)
        answers = [f"{code(kind)}: {write_type(content['schema'])}" for kind, content in response["content"].items()]
        rows.append([code(status), text_of(response), "<br>".join(answers), _write_headers(document, response)])
    return f"<h4>Answers</h4>{table(['status', 'meaning', 'body', 'headers'], rows)}"


def _write_headers(document: Node, response: Node) -> Html:
    headers = {name: resolve(document, header) for name, header in response.get("headers", {}).items()}
    return " ".join(f"<code title='{escape(header['description'])}'>{name}</code>" for name, header in headers.items())


def resolve(document: Node, node: Node) -> Node:
    """What `node` refers to when it is a reference into the document, else itself."""
    if "$ref" not in node:
        return node
    found: Any = document
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolve(document, found)
