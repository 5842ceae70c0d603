"""Boxes that end connections themselves: TLS interception, and the portal that answers everything."""

import ssl
import struct
from functools import partial
from pathlib import Path

import trio

from probe.lab.authority import Authority
from probe.lab.clienthello import matches
from probe.lab.interference import CaptivePortal, Interference, TlsInterception
from probe.lab.model import Page
from probe.lab.ports import PORTAL_PORT, TLS_PORT
from probe.lab.world.certificates import Certificates
from probe.lab.world.exchange import Request, Response
from probe.lab.world.http1 import serve_http1
from probe.lab.world.pages import page_response
from probe.lab.world.proxy import copy_both_ways, peek_server_name, splice

PORTAL_ISSUER = "Hotspot Gateway"
_SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
_HTTP1 = ("http/1.1",)


class Box:
    """One interception: whose names, which certificates, what behind them."""

    def __init__(self, names: tuple[str, ...], page: Page | None, issuer: str, folder: Path) -> None:
        self._names = names
        self._page = page
        self._certificates = Certificates(Authority.create(issuer), folder)

    def wants(self, name: str | None) -> bool:
        return not self._names or matches(name, self._names)

    async def intercept(self, client: trio.SocketStream, name: str | None) -> None:
        address, port = original_destination(client)
        context = self._certificates.make(name or address, alpn=_HTTP1)
        tls = trio.SSLStream(client, context, server_side=True, https_compatible=True)
        await tls.do_handshake()
        if self._page is not None:
            await serve_http1(tls, "", partial(_always, self._page))
        else:
            await self._relay(tls, name, address, port)

    async def _relay(
        self, client: trio.SSLStream[trio.SocketStream], name: str | None, address: str, port: int
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(list(_HTTP1))
        plain = await trio.open_tcp_stream(address, port)
        async with trio.SSLStream(plain, context, server_hostname=name or address, https_compatible=True) as server:
            await copy_both_ways(client, server)


class Interception:
    """Everything that the kernel redirects to this process."""

    def __init__(self, recipes: tuple[Interference, ...], folder: Path) -> None:
        self._boxes = [box for recipe in recipes if (box := _box(recipe, folder)) is not None]
        self._portal = next((recipe.page for recipe in recipes if isinstance(recipe, CaptivePortal)), None)

    async def serve(self, nursery: trio.Nursery) -> None:
        if self._boxes:
            await nursery.start(partial(trio.serve_tcp, self._tls, TLS_PORT, host="0.0.0.0"))
        if self._portal is not None:
            await nursery.start(partial(trio.serve_tcp, self._plain, PORTAL_PORT, host="0.0.0.0"))

    async def _tls(self, client: trio.SocketStream) -> None:
        try:
            name = await peek_server_name(client)
            box = next((box for box in self._boxes if box.wants(name)), None)
            if box is None:
                await splice(client, *original_destination(client))
            else:
                await box.intercept(client, name)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError):
            pass

    async def _plain(self, client: trio.SocketStream) -> None:
        assert self._portal is not None
        try:
            await serve_http1(client, "", partial(_always, self._portal))
        except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass


def _box(recipe: Interference, folder: Path) -> Box | None:
    if isinstance(recipe, TlsInterception):
        return Box(recipe.names, recipe.page, recipe.issuer, folder)
    if isinstance(recipe, CaptivePortal):
        return Box((), recipe.page, PORTAL_ISSUER, folder)
    return None


async def _always(page: Page, request: Request) -> Response:
    return page_response(page, request.host)


def original_destination(client: trio.SocketStream) -> tuple[str, int]:
    """Where the client meant to go before REDIRECT."""
    raw = client.getsockopt(trio.socket.SOL_IP, _SO_ORIGINAL_DST, 16)
    assert isinstance(raw, bytes)
    port, address = struct.unpack("!2xH4s8x", raw)
    return ".".join(str(octet) for octet in address), port
