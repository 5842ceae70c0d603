"""Streams that send at a given rate, nothing at all, or a reset."""

import struct

import trio
import trio.abc

_SILENCE = 300.0


class SlowStream(trio.abc.Stream):
    """`rate` in bytes a second; below 10 a byte at a time."""

    def __init__(self, stream: trio.abc.Stream, rate: float) -> None:
        self._stream = stream
        self._piece = max(1, int(rate / 10))
        self._pause = self._piece / rate

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        for start in range(0, len(data), self._piece):
            await self._stream.send_all(data[start : start + self._piece])
            await trio.sleep(self._pause)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


def reset(stream: trio.SocketStream) -> None:
    """What was not read is lost, and the other side hears RST."""
    stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def hear_out(stream: trio.abc.Stream) -> None:
    """Take what comes, say nothing, until the other side has done."""
    with trio.move_on_after(_SILENCE):
        while await stream.receive_some(65536):
            pass
