"""The page that describes the API."""

from html.parser import HTMLParser

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway_edge.openapi.document import read_document
from launcher.api_description import add_description
from launcher.api_page import render_page

VOID = {"meta", "br"}
EMBEDDING = {"script", "link", "img", "iframe", "object", "embed", "base", "form"}


class Reading(HTMLParser):
    """What a browser would make of a page: its tags, in pairs, where links lead and what can be linked to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.add(tag)
        self.links |= {given["href"]} if given.get("href") else set()
        self.anchors |= {given["id"]} if given.get("id") else set()
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_loads_nothing_and_its_links_lead_somewhere() -> None:
    page = Reading(render_page(read_document()))
    assert page.tags & EMBEDDING == set()
    assert page.links - {"openapi.json"} == {link for link in page.links if link.removeprefix("#") in page.anchors}


def test_every_route_status_and_schema_is_on_the_page() -> None:
    page = Reading(render_page(read_document()))
    for path, methods in read_document()["paths"].items():
        assert path in page.text
        for operation in methods.values():
            assert operation["operationId"] in page.anchors
            assert all(status in page.text for status in operation["responses"])
    assert {f"schema-{name}" for name in read_document()["components"]["schemas"]} <= page.anchors


def test_members_inside_are_named_by_their_path() -> None:
    assert "image_url.url" in Reading(render_page(read_document())).text


def test_what_the_document_says_is_text_not_markup() -> None:
    document = dict(read_document())
    document["info"] = {"title": "<b>x", "version": "'1'", "description": "a < b, `<i>` & more\n\nnext"}
    page = render_page(document)
    assert "<b>x" not in page
    assert "<p>a &lt; b, <code>&lt;i&gt;</code> &amp; more</p><p>next</p>" in page


async def test_the_operators_port_serves_the_page_and_the_document() -> None:
    app = web.Application()
    add_description(app.router)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/docs") as answer:
            assert answer.content_type == "text/html"
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert "Runestone" in await answer.text()
        async with client.get("/openapi.json") as answer:
            assert await answer.json() == read_document()
