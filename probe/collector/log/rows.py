"""Entries as rows of a day's file, and back."""

import datetime as dt
import uuid
import zlib
from pathlib import Path

import msgspec

from probe.collector.log.entry import Entry, LogDamaged, Origin
from probe.wire.reports import Role

Row = tuple[int, int, str, bytes, bytes, int, bytes]
COLUMNS = "position, received_at, probe, report_id, head, crc, body"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a row need not be searched for."""

    role: Role
    steward: str | None
    place: Origin


_ENCODER = msgspec.msgpack.Encoder()
_HEADS = msgspec.msgpack.Decoder(Head)


def row(entry: Entry, position: int) -> Row:
    head = _ENCODER.encode(Head(entry.role, entry.steward, entry.place))
    moment = (entry.received_at - _EPOCH) // _MICROSECOND
    return (position, moment, entry.probe, key(entry.report_id), head, _checksum(head, entry.body), entry.body)


def entry(row: Row, file: Path) -> Entry:
    """Raises LogDamaged where the row is not what was written."""
    position, moment, probe, report, head, crc, body = row
    try:
        sound = _checksum(head, body) == crc
        facts = _HEADS.decode(head) if sound else None
    except (msgspec.DecodeError, TypeError):
        facts = None
    if facts is None:
        raise LogDamaged(
            f"{file}: position {position}: the bytes differ from their checksum: restore the log from a backup"
        )
    return Entry(
        position=position,
        received_at=_EPOCH + moment * _MICROSECOND,
        probe=probe,
        report_id=str(uuid.UUID(bytes=report)),
        role=facts.role,
        steward=facts.steward,
        place=facts.place,
        body=body,
    )


def key(report_id: str) -> bytes:
    return uuid.UUID(report_id).bytes


def _checksum(head: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(head))
