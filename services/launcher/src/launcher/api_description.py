"""The description of the edge's API on the operators' port: the document, and a page to read."""

from functools import cache

from aiohttp import web

from launcher.api_page import render_page

# The page has a style of its own and loads nothing.
PAGE_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"}


def add_description(router: web.UrlDispatcher) -> None:
    """Adds `/openapi.json` and `/docs`; neither is read before somebody asks."""
    router.add_get("/openapi.json", _show_document)
    router.add_get("/docs", _show_page)


async def _show_document(_request: web.Request) -> web.Response:
    from gateway_edge.openapi.document import published  # noqa: PLC0415  not in the images of other services

    return web.Response(body=published(), content_type="application/json")


async def _show_page(_request: web.Request) -> web.Response:
    return web.Response(text=_page(), content_type="text/html", headers=PAGE_POLICY)


@cache
def _page() -> str:
    from gateway_edge.openapi.document import read_document  # noqa: PLC0415  as above

    return render_page(read_document())
