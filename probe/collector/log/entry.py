"""What the log holds: one report as it arrived, with what ingest found out about who sent it and from where."""

import datetime as dt

import msgspec
import zstandard

from probe.wire.reports import MOST_DECODED, Role

_COMPRESSION_LEVEL = 3
_COMPRESSOR = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a request came from, by the local tables, and never its address.

    `claimed`: the tables say nothing of it and this is the probe's own word. `proxied`: it came through a proxy that
    hides the sender, so it says nothing of the probe's network. `hosting`: a hosting or VPN network.
    """

    country: str | None = None
    asn: int | None = None
    name: str | None = None
    claimed: bool = False
    proxied: bool = False
    hosting: bool = False
    family: int | None = None  # 4 or 6


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One report. `probe` is the opaque id of the token that sent it; `body` is the report's JSON, compressed with
    zstd; `position` is the log's to give: 0 before it is appended."""

    received_at: dt.datetime  # UTC
    probe: str
    role: Role
    report_id: str
    body: bytes
    steward: str | None = None
    place: Origin = Origin()
    position: int = 0

    @property
    def document(self) -> bytes:
        """The report's JSON as the probe sent it. Raises LogDamaged where the bytes are no longer what they were."""
        try:
            return zstandard.ZstdDecompressor().decompress(self.body, max_output_size=MOST_DECODED)
        except zstandard.ZstdError as error:
            raise LogDamaged(f"log position {self.position}: the report cannot be decompressed: {error}") from None


class LogDamaged(Exception):
    """What the disk gives back is not what was written: one line that names the file and what to do."""


class LogUnavailable(Exception):
    """The log cannot take more just now (full queue, full disk). Nothing of the entry was kept; try again later."""


def packed(document: bytes, level: int = _COMPRESSION_LEVEL) -> bytes:
    """A report's JSON as the log keeps it."""
    compressor = _COMPRESSOR if level == _COMPRESSION_LEVEL else zstandard.ZstdCompressor(level=level)
    return compressor.compress(document)
