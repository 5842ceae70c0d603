"""Reading saved measurements, ours or OONI's, whole files as people have them: one JSON document, a JSON array or JSON
lines, plain, gzip or zstd.

A bad line is one fault among many good lines, so it is yielded, not raised.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from probe.wire.codec import decode_measurement
from probe.wire.measurement import Measurement
from probe.wire.ooni_in import OoniError, OoniMeasurement, from_ooni

LIMIT = 256 * 1024 * 1024  # bytes, decompressed

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_ZSTD_WINDOW = 128 * 1024 * 1024  # what `zstd --long` needs
_BOM = b"\xef\xbb\xbf"


class SavedError(Exception):
    """What is wrong with a file, or with one line of it (for a JSON array: with its nth item)."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        super().__init__(f"{file}: {reason}" if line is None else f"{file}, line {line}: {reason}")
        self.file, self.line, self.reason = file, line, reason


class Saved(msgspec.Struct, frozen=True):
    file: str
    line: int
    measurement: Measurement | OoniMeasurement


def read_saved(raw: bytes, name: str) -> Iterator[Saved | SavedError]:
    """The measurements of one file in its order; lines that hold something else of ours (tallies) are passed over."""
    try:
        numbered = _documents(_decompressed(raw, name), name)
        for line, document in numbered:
            item = document if isinstance(document, SavedError) else _item(document, name, line)
            if item is not None:
                yield item
    except SavedError as error:
        yield error


def _decompressed(raw: bytes, name: str) -> bytes:
    try:
        if raw.startswith(_GZIP):
            content = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(LIMIT + 1)
        elif raw.startswith(_ZSTD):
            content = _zstd(raw, name)
        else:
            content = raw
    except (OSError, EOFError, zlib.error) as error:
        raise SavedError(name, None, f"the compressed data is damaged ({error})") from None
    if len(content) > LIMIT:
        raise SavedError(name, None, f"more than {LIMIT // 2**20} MiB when decompressed; split it")
    return content.removeprefix(_BOM)


def _zstd(raw: bytes, name: str) -> bytes:
    try:
        import zstandard  # noqa: PLC0415 - an optional package
    except ImportError:
        raise SavedError(name, None, "zstd needs the package zstandard (pip install zstandard)") from None
    try:
        return _frames(raw, lambda: zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj())
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from None


def _frames(raw: bytes, new: Callable[[], Any]) -> bytes:
    """Every frame, a little input at a time: 4 KiB of it can stand for 128 MiB. Stops beyond the limit."""
    pieces, size, frame = [], 0, new()
    rest = memoryview(raw)
    while rest and size <= LIMIT:
        if frame.eof:
            frame = new()
        pieces.append(frame.decompress(bytes(rest[:4096])))
        rest = rest[min(len(rest), 4096) - len(frame.unused_data) :]
        size += len(pieces[-1])
    if size <= LIMIT and not frame.eof:
        raise EOFError("it ends in the middle")
    return b"".join(pieces)


def _documents(content: bytes, name: str) -> Iterator[tuple[int, Any]]:
    """Numbered documents, or the fault of a line."""
    if not content.strip():
        raise SavedError(name, None, "the file is empty")
    try:
        whole = _decoded(content)
    except ValueError as error:
        yield from _lines(content, name, str(error))
        return
    if isinstance(whole, list):
        yield from enumerate(whole, start=1)
    else:
        yield 1, whole


def _lines(content: bytes, name: str, whole: str) -> Iterator[tuple[int, Any]]:
    lines = content.splitlines()
    if sum(line.startswith(b"{") for line in lines) < 2:  # one document that is broken
        raise SavedError(name, None, f"not JSON ({whole})")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, _decoded(line)
        except ValueError as error:
            yield number, SavedError(name, number, f"not JSON ({error})")


def _decoded(raw: bytes) -> Any:
    """msgspec is strict and fast; documents of old Python tools hold NaN and lone surrogates, which `json` takes.
    Raises ValueError."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as strict:
        try:
            return json.loads(raw)
        except ValueError:
            raise ValueError(str(strict)) from None
        except RecursionError:
            raise ValueError("nested too deeply") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _item(document: Any, name: str, line: int) -> Saved | SavedError | None:
    try:
        measurement = _measurement(document)
    except OoniError as error:
        return SavedError(name, line, str(error))
    except msgspec.ValidationError as error:
        return SavedError(name, line, f"not a measurement: {error}")
    return Saved(name, line, measurement) if measurement else None


def _measurement(document: Any) -> Measurement | OoniMeasurement | None:
    if not isinstance(document, dict) or not document.keys() & {"kind", "endpoint", "test_keys"}:
        raise OoniError("neither a measurement of ours nor of OONI (no endpoint, no test_keys)")
    if "test_keys" in document:
        return from_ooni(document)
    return decode_measurement(document) if document.get("kind", "endpoint") == "endpoint" else None
