"""HTTP/2 for one connection, on h2: streams are answered side by side, flow control is kept."""

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import trio
import trio.abc

from probe.lab.world.exchange import Request, Respond, Response, host_of

_IDLE = 60.0


class Http2:
    def __init__(self, stream: trio.abc.Stream, client: str, respond: Respond) -> None:
        self._stream = stream
        self._client = client
        self._respond = respond
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._heads: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytes] = {}
        self._window_opened = trio.Event()
        self._sending = trio.Lock()

    async def serve(self) -> None:
        self._connection.initiate_connection()
        await self._flush()
        async with trio.open_nursery() as nursery:
            await self._receive(nursery)
            nursery.cancel_scope.cancel()

    async def _receive(self, nursery: trio.Nursery) -> None:
        while True:
            data: bytes | bytearray = b""
            with trio.move_on_after(_IDLE):
                data = await self._stream.receive_some(65536)
            if not data:
                return
            try:
                events = self._connection.receive_data(data)
            except h2.exceptions.ProtocolError:
                await self._flush()
                return
            for event in events:
                self._take(event, nursery)
            await self._flush()

    def _take(self, event: h2.events.Event, nursery: trio.Nursery) -> None:
        match event:
            case h2.events.RequestReceived(stream_id=int(id), headers=headers):
                self._heads[id] = {_text(name): _text(value) for name, value in headers or []}
                self._bodies[id] = b""
            case h2.events.DataReceived(stream_id=int(id), data=data, flow_controlled_length=int(size)):
                self._bodies[id] += data or b""
                self._connection.acknowledge_received_data(size, id)
            case h2.events.StreamEnded(stream_id=int(id)):
                nursery.start_soon(self._answer, id)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged() | h2.events.StreamReset():
                self._window_opened.set()
                self._window_opened = trio.Event()

    async def _answer(self, id: int) -> None:
        head = self._heads.pop(id)
        request = Request(
            method=head[":method"],
            host=host_of(head.get(":authority", "")),
            path=head[":path"],
            client=self._client,
            body=self._bodies.pop(id),
        )
        try:
            await self._send(id, await self._respond(request), with_body=request.method != "HEAD")
        except h2.exceptions.ProtocolError:
            return  # the client reset the stream or the connection meanwhile

    async def _send(self, id: int, response: Response, *, with_body: bool) -> None:
        empty = not with_body or response.size == 0
        self._connection.send_headers(id, [(":status", str(response.status)), *response.fields()], end_stream=empty)
        if not empty:
            for piece in response.pieces():
                await self._send_piece(id, piece)
            self._connection.end_stream(id)
        await self._flush()

    async def _send_piece(self, id: int, piece: bytes) -> None:
        while piece:
            room = min(self._connection.local_flow_control_window(id), self._connection.max_outbound_frame_size)
            if room <= 0:
                await self._flush()
                await self._window_opened.wait()
                continue
            self._connection.send_data(id, piece[:room])
            piece = piece[room:]
        await self._flush()

    async def _flush(self) -> None:
        async with self._sending:
            if data := self._connection.data_to_send():
                await self._stream.send_all(data)


def _text(raw: bytes | str) -> str:
    return raw.decode("latin-1") if isinstance(raw, bytes) else raw
