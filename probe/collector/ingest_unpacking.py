"""From a body as it travels to JSON: what it claims of itself costs nothing."""

import zlib

import zstandard

from probe.collector.ingest_refusals import Refusal
from probe.collector.log import packed
from probe.wire.reports import MOST_DECODED

_LARGEST_WINDOW = 8 << 20
_ENCODINGS = ("zstd", "gzip", "identity")


class Unpacked:
    """`document` is the JSON; `stored` the same, compressed with zstd."""

    __slots__ = ("document", "stored")

    def __init__(self, document: bytes, stored: bytes) -> None:
        self.document = document
        self.stored = stored


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


def _too_large_unpacked() -> Refusal:
    return Refusal(413, "too-large", f"the unpacked body is larger than {MOST_DECODED} bytes")
