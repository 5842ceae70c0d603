"""What a site answers to one request."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import parse_qs, urlsplit

from probe.lab.model import Content, DnsOverHttps, Page, Redirects, Site, Visitor
from probe.lab.world.exchange import Request, Response

Ask = Callable[[str, bytes, str], Awaitable[bytes | None]]  # a resolver, a query, the client; None is silence
_FILLER = b"<p>All the news that the wire carried today, and some of yesterday's.</p>\n"
_HOP = "/moved/"


async def respond(site: Site, request: Request, *, from_isp: bool, ask: Ask) -> Response:
    content = _content(site, request.path, from_isp=from_isp)
    match content:
        case DnsOverHttps():
            return await _dns(request, content.resolver, ask)
        case Redirects():
            return _redirect(content, site, request)
        case Visitor():
            text = f"fl=1f1\nh={site.name}\nip={request.client}\nvisit_scheme=https\n"
            return page_response(Page(body=text, headers=(("content-type", "text/plain"),)), site.name)
        case Page():
            return page_response(content, site.name)


def page_response(page: Page, name: str) -> Response:
    if page.status in (204, 304):
        return Response(status=page.status, headers=page.headers)
    headers = page.headers
    if not any(field.lower() == "content-type" for field, _ in headers):
        headers = (*headers, ("content-type", "text/html; charset=utf-8"))
    if page.body is not None:
        body = page.body.encode()
        return Response(status=page.status, headers=headers, body=body, size=len(body))
    return Response(status=page.status, headers=headers, body=_filler(page, name), size=page.size)


def nothing_here() -> Response:
    return page_response(Page(status=404, body="<html><head><title>404 Not Found</title></head></html>"), "")


def _filler(page: Page, name: str) -> bytes:
    """A page with its title in front; a big one repeats itself after a MiB."""
    title = escape(page.title or name)
    head = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1>\n".encode()
    body = head + _FILLER * ((min(page.size, 1 << 20) - len(head)) // len(_FILLER) + 1)
    return body[: max(page.size, 1)]


def _content(site: Site, path: str, *, from_isp: bool) -> Content:
    if from_isp and site.to_isps is not None:
        return site.to_isps
    return site.pages.get(path) or site.pages.get(path.partition("?")[0]) or site.content


def _redirect(content: Redirects, site: Site, request: Request) -> Response:
    done = int(request.path.removeprefix(_HOP)) if request.path.startswith(_HOP) else 0
    if done >= content.hops:
        return page_response(content.page, site.name)
    location = f"https://{site.name}{_HOP}{done + 1}"
    return page_response(Page(status=302, body="", headers=(("location", location),)), site.name)


async def _dns(request: Request, resolver: str, ask: Ask) -> Response:
    query = request.body if request.method == "POST" else _query_parameter(request.path)
    if not query:
        return page_response(Page(status=400, body="no query"), "")
    reply = await ask(resolver, query, request.client)
    if reply is None:
        return page_response(Page(status=502, body="no reply"), "")
    headers = (("content-type", "application/dns-message"), ("cache-control", "max-age=60"))
    return Response(status=200, headers=headers, body=reply, size=len(reply))


def _query_parameter(path: str) -> bytes:
    value = parse_qs(urlsplit(path).query).get("dns", [""])[0]
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error:
        return b""
