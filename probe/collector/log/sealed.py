"""A sealed day: what its file held, in one file of compressed blocks that is never written again.

Layout: 8 bytes of magic; blocks, each a header and a zstd frame of msgpack; a trailer that counts them. Every part has
a CRC-32, and a file without its trailer was cut short. Reports stand in it as plain JSON and are compressed many
together, which takes about half of what they take alone.
"""

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from probe.collector.log.days import sync_folder
from probe.collector.log.entry import Entry, LogDamaged, packed

_MAGIC = b"PRBSEAL1"
_BLOCK = struct.Struct("<4sIIQQII")  # tag, stored bytes, entries, first and last position, CRC of frame, CRC of header
_TRAILER = struct.Struct("<4sQQQQI")  # tag, entries, blocks, first and last position, CRC of the trailer
_BLOCK_BYTES = 4 << 20  # of JSON in a block, about
_LARGEST_BLOCK = 64 << 20
_LEVEL = 6
_QUICK = 1  # for what is compressed only to be handed over


class _Sealed(Entry, frozen=True, kw_only=True, array_like=True):
    """`body` is the JSON itself here."""


class Block(msgspec.Struct, frozen=True):
    offset: int
    size: int
    first: int
    last: int
    crc: int


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[_Sealed])


def seal(path: Path, entries: Iterable[Entry], first: int) -> int:
    """Write the file; it appears whole or not at all. How many entries it has. `first` is the day's first position,
    which an empty day has too."""
    draft = path.with_name(f".{path.name}.new")
    count = blocks = 0
    last = first - 1
    with draft.open("wb") as file:
        file.write(_MAGIC)
        for block in _blocks(entries):
            _write_block(file, block)
            count, blocks, last = count + len(block), blocks + 1, block[-1].position
        file.write(_checked(_TRAILER, b"END1", count, blocks, first, last))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
    return count


def _blocks(entries: Iterable[Entry]) -> Iterator[list[_Sealed]]:
    block: list[_Sealed] = []
    size = 0
    for entry in entries:
        document = entry.document
        block.append(_Sealed(**{**msgspec.structs.asdict(entry), "body": document}))
        size += len(document)
        if size >= _BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _write_block(file: BinaryIO, block: list[_Sealed]) -> None:
    frame = zstandard.ZstdCompressor(level=_LEVEL).compress(_ENCODER.encode(block))
    span = block[0].position, block[-1].position
    file.write(_checked(_BLOCK, b"BLK1", len(frame), len(block), *span, zlib.crc32(frame)))
    file.write(frame)


def _checked(form: struct.Struct, *fields: bytes | int) -> bytes:
    """The fields with the CRC of their bytes as the last one."""
    return form.pack(*fields, zlib.crc32(form.pack(*fields, 0)))


class SealedDay:
    """Raises LogDamaged where the file is not what was written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")  # kept open: the file may be replaced by one without an erased probe
        try:
            self.first, self.last, self.count, self._index = self._scan(self._file)
        except LogDamaged:
            self._file.close()
            raise
        self._decoded: tuple[int, list[_Sealed]] = (0, [])  # the last block that was read, by its offset

    def read(self, after: int) -> Iterator[Entry]:
        for block in self._index:
            if block.last > after:
                yield from (_opened(one) for one in self._entries(block) if one.position > after)

    def is_current(self) -> bool:
        """The file of this name is still the one that was opened."""
        return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())

    def close(self) -> None:
        self._file.close()

    def _scan(self, file: BinaryIO) -> tuple[int, int, int, list[Block]]:
        size = file.seek(0, os.SEEK_END)
        end = size - _TRAILER.size
        if end < len(_MAGIC) or self._at(file, 0, len(_MAGIC)) != _MAGIC:
            raise self._damaged(0, "no sealed day, or its head is lost")
        count, blocks, first, last = self._fields(file, _TRAILER, end, b"END1")
        index = []
        offset = len(_MAGIC)
        while offset < end:
            stored, _, low, high, crc = self._fields(file, _BLOCK, offset, b"BLK1")
            offset += _BLOCK.size
            index.append(Block(offset, stored, low, high, crc))
            offset += stored
        if offset != end or len(index) != blocks:
            raise self._damaged(offset, f"{blocks} blocks were written, {len(index)} are there")
        return first, last, count, index

    def _fields(self, file: BinaryIO, form: struct.Struct, offset: int, tag: bytes) -> tuple[int, ...]:
        raw = self._at(file, offset, form.size)
        fields = form.unpack(raw) if len(raw) == form.size else (b"",)
        if fields[0] != tag or _checked(form, *fields[:-1]) != raw:
            raise self._damaged(offset, "cut short or overwritten")
        return fields[1:-1]

    def _at(self, file: BinaryIO, offset: int, size: int) -> bytes:
        file.seek(offset)
        return file.read(size)

    def _entries(self, block: Block) -> list[_Sealed]:
        if self._decoded[0] != block.offset:
            self._decoded = (block.offset, self._decode(block))
        return self._decoded[1]

    def _decode(self, block: Block) -> list[_Sealed]:
        frame = self._at(self._file, block.offset, block.size)
        if zlib.crc32(frame) != block.crc:
            raise self._damaged(block.offset, "the bytes differ from their checksum")
        try:
            raw = zstandard.ZstdDecompressor().decompress(frame, max_output_size=_LARGEST_BLOCK)
            return _DECODER.decode(raw)
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise self._damaged(block.offset, str(error)) from None

    def _damaged(self, offset: int, why: str) -> LogDamaged:
        return LogDamaged(f"{self.path}: byte {offset}: {why}: restore the log from a backup")


def _opened(sealed: _Sealed) -> Entry:
    return Entry(**{**msgspec.structs.asdict(sealed), "body": packed(sealed.body, _QUICK)})
