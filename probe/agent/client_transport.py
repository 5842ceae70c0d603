"""httpx over connections of our own, and the settings that they are made of."""

import ssl
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import certifi
import httpcore
import httpx

from probe.agent.client_faults import UnusableSetting
from probe.agent.client_wire import Meter, Wire

_KEPT_OPEN = 600.0  # seconds without a request


class Broken(Exception):
    """No whole answer over this connection."""


class Transport(httpx.AsyncBaseTransport):
    """httpx over httpcore's pool, with connections that are counted. Raises what httpcore raises."""

    def __init__(self, proxy: str | None, ca_file: Path | None, meter: Meter) -> None:
        via = _checked_proxy(proxy) if proxy else None
        options: dict[str, Any] = {"ssl_context": _tls(ca_file), "max_connections": 4, "keepalive_expiry": _KEPT_OPEN}
        socks = via is not None and via.scheme.startswith("socks5")
        auth = (via.username.encode(), via.password.encode()) if via is not None and via.username else None
        address = httpcore.URL(f"{via.scheme}://{via.netloc.decode()}") if via is not None else None
        self.wire = Wire(meter, address if socks else None, auth)
        if address is not None and not socks:
            self._pool: httpcore.AsyncConnectionPool = httpcore.AsyncHTTPProxy(
                address, proxy_auth=auth, network_backend=self.wire, **options
            )
        else:
            self._pool = httpcore.AsyncConnectionPool(network_backend=self.wire, **options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.stream:  # type: ignore[union-attr]
            yield chunk

    async def aclose(self) -> None:
        await self._answer.aclose()


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file or certifi.where()))
    except (OSError, ssl.SSLError) as exc:
        reason = "holds no certificates (PEM)" if isinstance(exc, ssl.SSLError) else exc.strerror
        raise UnusableSetting(f"{ca_file}: cannot be used as ca_file: {reason}") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def checked_base(base: str) -> str:
    url = _url(base, "a collector's address")
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment or url.userinfo:
        raise UnusableSetting(f"{base}: a collector's address looks like https://collector.example")
    return base.rstrip("/")


def _checked_proxy(proxy: str) -> httpx.URL:
    url = _url(proxy, "a proxy")
    if url.scheme not in {"http", "https", "socks5", "socks5h"} or not url.host:
        shown = proxy.rpartition("@")[2]
        raise UnusableSetting(f"{shown}: a proxy looks like socks5://127.0.0.1:9050 or http://proxy.example:3128")
    return url


def _url(text: str, what: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except httpx.InvalidURL as exc:
        raise UnusableSetting(f"{text.rpartition('@')[2]}: is no URL, and {what} must be one ({exc})") from exc


async def read_body(response: httpx.Response, most: int) -> bytes:
    """At most so many bytes, also of what a few compressed ones can stand for. Raises Broken, and what httpcore does.

    Of too long an answer the next read from the network fails: leaving its generators half-way would leak them."""
    packed = response.headers.get("content-encoding", "identity").lower() == "gzip"
    unpack = zlib.decompressobj(wbits=31) if packed else None
    body, fault = bytearray(), ""
    async for chunk in response.aiter_raw():
        try:
            body += unpack.decompress(chunk, most + 1 - len(body)) if unpack and not fault else chunk
        except zlib.error:
            fault = "its answer is damaged"
        if len(body) > most:
            fault = f"its answer is longer than {most} bytes"
        if fault:
            body.clear()
            response.extensions["network_stream"].refuse(fault)
    if fault:
        raise Broken(fault)
    return bytes(body)
