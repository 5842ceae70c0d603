"""What listens on each address and port of the world."""

import ipaddress
import ssl
from collections import Counter
from functools import partial

import trio
import trio.abc

from probe.lab.model import Protocol, Site
from probe.lab.world.certificates import Certificates
from probe.lab.world.exchange import Request, Response
from probe.lab.world.http1 import serve_http1
from probe.lab.world.http2 import Http2
from probe.lab.world.pages import Ask, nothing_here, respond
from probe.lab.world.proxy import pass_through, peek_server_name
from probe.lab.world.slow import SlowStream, hear_out, reset

_HANDSHAKE = 120.0
_NOISE = bytes(range(255, 0, -1)) * 4
_BACKLOG = 1024
_UNRECOGNIZED_NAME = bytes.fromhex("15030300020270")  # a fatal alert: RFC 6066, 3


class Web:
    """Clients of the prefixes `isps` get what a site keeps for them."""

    def __init__(self, sites: tuple[Site, ...], certificates: Certificates, isps: tuple[str, ...], ask: Ask) -> None:
        self._certificates = certificates
        self._isps = [ipaddress.ip_network(prefix) for prefix in isps]
        self._ask = ask
        self._at: dict[tuple[str, int], list[Site]] = {}
        for site in sites:
            for address in site.addresses:
                for port in site.ports:
                    self._at.setdefault((address, port), []).append(site)
        self._fronts: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._zone = {site.name: site.addresses for site in sites}
        self._open: Counter[str] = Counter()

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as nursery:
            for (address, port), sites in self._at.items():
                listeners = await trio.open_tcp_listeners(port, host=address, backlog=_BACKLOG)
                handler = partial(self._connection, sites=sites, port=port)
                nursery.start_soon(partial(trio.serve_listeners, handler, listeners, handler_nursery=nursery))
            task_status.started()

    async def _connection(self, stream: trio.SocketStream, sites: list[Site], port: int) -> None:
        """Whatever a client does to its connection ends that connection and nothing else."""
        try:
            await self._speak(stream, sites, port)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _speak(self, socket_stream: trio.SocketStream, sites: list[Site], port: int) -> None:
        limit = sites[0].at_once
        if limit is not None and self._open[sites[0].name] >= limit:
            reset(socket_stream)
            return
        self._open[sites[0].name] += 1
        try:
            await self._hold(socket_stream, sites, port)
        finally:
            self._open[sites[0].name] -= 1

    async def _hold(self, socket_stream: trio.SocketStream, sites: list[Site], port: int) -> None:
        client = str(socket_stream.socket.getpeername()[0])
        rate = sites[0].rate
        stream: trio.abc.Stream = SlowStream(socket_stream, rate) if rate else socket_stream
        protocol: Protocol = sites[0].ports[port]
        match protocol:
            case "https" | "tls" if await self._sent_away(socket_stream, sites):
                return
            case "https" | "tls":
                await self._tls(stream, sites, client, speaks_http=protocol == "https")
            case "http":
                await serve_http1(stream, client, partial(self._respond, sites))
                await stream.aclose()
            case "noise":
                await stream.receive_some(65536)
                await stream.send_all(_NOISE)
                await hear_out(stream)
            case "sni-proxy":
                await pass_through(socket_stream, self._zone)
            case "tcp" | "silent":
                await hear_out(stream)

    async def _sent_away(self, stream: trio.SocketStream, sites: list[Site]) -> bool:
        """Whether the handshake names nobody here, and that is all that the client hears."""
        manner = sites[0].strangers
        if manner == "served" or await peek_server_name(stream) in {site.name for site in sites}:
            return False
        await stream.receive_some(65536)
        if manner == "reset":
            reset(stream)
        elif manner == "alert":
            await stream.send_all(_UNRECOGNIZED_NAME)
        return True

    async def _tls(self, stream: trio.abc.Stream, sites: list[Site], client: str, *, speaks_http: bool) -> None:
        tls = trio.SSLStream(stream, self._front(sites), server_side=True, https_compatible=True)
        with trio.move_on_after(_HANDSHAKE) as handshake:
            await tls.do_handshake()
        if handshake.cancelled_caught:
            return
        if not speaks_http:
            await hear_out(tls)
        elif tls.selected_alpn_protocol() == "h2":
            await Http2(tls, client, partial(self._respond, sites)).serve()
        else:
            await serve_http1(tls, client, partial(self._respond, sites))
        with trio.move_on_after(1):
            await tls.aclose()

    def _front(self, sites: list[Site]) -> ssl.SSLContext:
        """The first site's certificate, until the client has said whom it wants; a name that nobody here has, or none,
        keeps it, as on most servers."""
        key = tuple(site.name for site in sites)
        if key not in self._fronts:
            self._fronts[key] = self._certificates.make(sites[0].name, sites[0].certificate)
            self._fronts[key].sni_callback = partial(self._turn, sites)
        return self._fronts[key]

    def _turn(self, sites: list[Site], connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        wanted = next((site for site in sites[1:] if site.name == name), None)
        if wanted is not None:
            connection.context = self._certificates.context(wanted.name, wanted.certificate)

    async def _respond(self, sites: list[Site], request: Request) -> Response:
        site = next((site for site in sites if site.name in (request.host, *site.addresses)), None)
        if site is None:
            return nothing_here()
        client = ipaddress.ip_address(request.client)
        return await respond(site, request, from_isp=any(client in isp for isp in self._isps), ask=self._ask)
