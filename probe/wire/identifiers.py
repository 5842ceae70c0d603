"""Identifiers that sort by time and say nothing of who made them (RFC 9562, UUID version 7)."""

import datetime as dt
import secrets
import uuid


def uuid7(moment: dt.datetime) -> str:
    """48 bits of Unix milliseconds, then random ones."""
    milliseconds = int(moment.timestamp() * 1000) & (1 << 48) - 1
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
