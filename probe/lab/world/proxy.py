"""A proxy that never opens what it carries: it reads the server name and passes everything on."""

import trio
import trio.abc

from probe.lab.clienthello import Unread, server_name
from probe.lab.world.slow import hear_out

_HELLO = 10.0
_CONNECT = 8.0
_LARGEST = 65536


async def pass_through(client: trio.SocketStream, zone: dict[str, tuple[str, ...]], port: int = 443) -> None:
    """To the first address of whoever the ClientHello names; a client that names nobody known is let go."""
    name = await peek_server_name(client)
    for address in zone.get(name or "", ()):
        await splice(client, address, port)
        return
    await hear_out(client)


async def peek_server_name(client: trio.SocketStream) -> str | None:
    """Leaves the bytes where they are."""
    seen = -1
    with trio.move_on_after(_HELLO):
        while True:
            data = await client.socket.recv(_LARGEST, trio.socket.MSG_PEEK)
            try:
                return server_name(data)
            except Unread:
                if not data or len(data) >= _LARGEST:
                    return None
            if len(data) == seen:
                await trio.sleep(0.005)  # a peek returns at once while the rest of the hello is under way
            seen = len(data)
    return None


async def splice(client: trio.SocketStream, address: str, port: int) -> None:
    """Bytes both ways until both sides are done. Raises OSError where nobody answers there."""
    family = trio.socket.AF_INET6 if ":" in address else trio.socket.AF_INET
    with trio.fail_after(_CONNECT):
        sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
        await sock.connect((address, port))
    async with trio.SocketStream(sock) as server:
        await copy_both_ways(client, server)


async def copy_both_ways(one: trio.abc.Stream, other: trio.abc.Stream) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_copy, one, other)
        nursery.start_soon(_copy, other, one)


async def _copy(source: trio.abc.Stream, sink: trio.abc.Stream) -> None:
    """The end of one direction is told to the other side where the stream can; TLS closes as a whole."""
    try:
        while data := await source.receive_some(65536):
            await sink.send_all(data)
        if isinstance(sink, trio.abc.HalfCloseableStream):
            await sink.send_eof()
        else:
            await sink.aclose()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        await trio.aclose_forcefully(sink)
        await trio.aclose_forcefully(source)
