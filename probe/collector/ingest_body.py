"""A request's body: read within bounds, and unpacked so that what it claims of itself costs nothing."""

import zlib

import trio
import zstandard
from starlette.types import Receive

from probe.collector.ingest_refusals import Refusal
from probe.collector.log import packed
from probe.wire.reports import MOST_DECODED

_PATIENCE = 30.0  # seconds for a whole body
_LARGEST_WINDOW = 8 << 20
_ENCODINGS = ("zstd", "gzip", "identity")


class Unpacked:
    """`document` is the JSON; `stored` the same, compressed with zstd."""

    __slots__ = ("document", "stored")

    def __init__(self, document: bytes, stored: bytes) -> None:
        self.document = document
        self.stored = stored


def declared_length(headers: dict[bytes, bytes], limit: int) -> None:
    """Raises Refusal where the sender says itself that it is too much."""
    text = headers.get(b"content-length")
    if text is not None and (not text.isdigit() or int(text[:12]) > limit):
        raise _too_large(limit)


async def whole_body(receive: Receive, limit: int) -> bytes:
    """Raises Refusal where it is longer or slower than may be; Disconnected is for the server to see."""
    parts: list[bytes] = []
    size = 0
    with trio.move_on_after(_PATIENCE) as waiting:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "malformed", "the body ended early")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                break
    if waiting.cancelled_caught:
        raise Refusal(408, "too-slow", f"the body did not arrive within {_PATIENCE:g} seconds")
    return b"".join(parts)


def unpacked(body: bytes, encoding: bytes) -> Unpacked:
    """Raises Refusal. A bomb costs no more memory than a report may have."""
    match encoding.strip().lower():
        case b"zstd":
            return _zstd(body)
        case b"gzip" | b"x-gzip":
            document = _gunzipped(body)
            return Unpacked(document, packed(document))
        case b"" | b"identity":
            return Unpacked(body, packed(body))
    error = f"Content-Encoding is none of {', '.join(_ENCODINGS)}"
    raise Refusal(415, "encoding", error)


def _zstd(body: bytes) -> Unpacked:
    """Stored as it came, where it says how large it is: then zstd itself holds it to that."""
    try:
        frame = zstandard.get_frame_parameters(body)
        if frame.dict_id:
            raise Refusal(400, "encoding", "a zstd frame that needs a dictionary")
        if frame.window_size > _LARGEST_WINDOW:
            raise Refusal(413, "too-large", f"the zstd window is larger than {_LARGEST_WINDOW >> 20} MiB")
        if frame.content_size == zstandard.CONTENTSIZE_UNKNOWN:
            document = _streamed(body)
            return Unpacked(document, packed(document))
        if frame.content_size > MOST_DECODED:
            raise _too_large_unpacked()
        document = zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refusal(400, "encoding", f"the body is no zstd frame: {error}") from None
    return Unpacked(document, body)


def _streamed(body: bytes) -> bytes:
    """A frame that does not say how large it will be."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    with decompressor.stream_reader(body) as stream:
        document = stream.read(MOST_DECODED + 1)
    if len(document) > MOST_DECODED:
        raise _too_large_unpacked()
    return document


def _gunzipped(body: bytes) -> bytes:
    unpacking = zlib.decompressobj(wbits=31)
    try:
        document = unpacking.decompress(body, MOST_DECODED + 1)
    except zlib.error as error:
        raise Refusal(400, "encoding", f"the body is not gzip: {error}") from None
    if len(document) > MOST_DECODED:
        raise _too_large_unpacked()
    if not unpacking.eof or unpacking.unused_data:
        raise Refusal(400, "encoding", "the gzip stream is cut short, or something follows it")
    return document


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "too-large", f"the body is larger than {limit} bytes")


def _too_large_unpacked() -> Refusal:
    return Refusal(413, "too-large", f"the unpacked body is larger than {MOST_DECODED} bytes")
