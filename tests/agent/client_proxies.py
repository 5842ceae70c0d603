"""Proxies as they are in the world, on real sockets: SOCKS5 (RFC 1928, 1929) and HTTP CONNECT and forwarding."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

Serve = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    """A port on loopback; what breaks a connection is nobody's fault."""

    async def one(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await serve(stream)
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(partial(trio.serve_listeners, one, listeners))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


class Proxy:
    """`asked`: hosts and ports that it was to connect to."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, int]] = []


async def exactly(stream: trio.SocketStream, size: int) -> bytes:
    got = b""
    while len(got) < size:
        data = await stream.receive_some(size - len(got))
        if not data:
            raise trio.BrokenResourceError
        got += bytes(data)
    return got


async def spliced(one: trio.SocketStream, other: trio.SocketStream) -> None:
    async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await sink.send_all(data)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery, other:
        nursery.start_soon(pump, one, other)
        await pump(other, one)


@asynccontextmanager
async def socks_proxy(auth: tuple[str, str] | None, names: dict[str, int]) -> AsyncIterator[Proxy]:
    """Knows `names` only, each by a port on loopback. Answers byte by byte, as networks may."""
    proxy = Proxy()

    async def slowly(stream: trio.SocketStream, data: bytes) -> None:
        for byte in data:
            await stream.send_all(bytes((byte,)))
            await trio.sleep(0.001)

    async def serve(stream: trio.SocketStream) -> None:
        version, count = await exactly(stream, 2)
        assert version == 5
        method = 2 if auth else 0
        if method not in await exactly(stream, count):
            await slowly(stream, b"\x05\xff")
            return
        await slowly(stream, bytes((5, method)))
        if auth:
            _, size = await exactly(stream, 2)
            name = (await exactly(stream, size)).decode()
            password = (await exactly(stream, (await exactly(stream, 1))[0])).decode()
            await slowly(stream, bytes((1, (name, password) != auth)))
            if (name, password) != auth:
                return
        assert await exactly(stream, 4) == b"\x05\x01\x00\x03"
        host = (await exactly(stream, (await exactly(stream, 1))[0])).decode()
        port = int.from_bytes(await exactly(stream, 2))
        proxy.asked.append((host, port))
        rest = b"\x00\x01\x00\x00\x00\x00\x00\x00"
        if host not in names:
            await slowly(stream, b"\x05\x04" + rest)
            return
        await slowly(stream, b"\x05\x00" + rest)
        await spliced(stream, await trio.open_tcp_stream("127.0.0.1", names[host]))

    async with serving(serve) as proxy.port:
        yield proxy


@asynccontextmanager
async def http_proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await exactly(stream, 1)
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.decode().split()
        place = target.removeprefix("http://").partition("/")[0]
        host, _, port = place.partition(":")
        proxy.asked.append((host, int(port or 80)))
        upstream = await trio.open_tcp_stream("127.0.0.1", int(port or 80))
        if method == "CONNECT":
            await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target.removeprefix(f"http://{place}")
            await upstream.send_all(f"{method} {path} {version}\r\n".encode() + rest)
        await spliced(stream, upstream)

    async with serving(serve) as proxy.port:
        yield proxy
