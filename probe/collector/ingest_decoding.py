"""What ingest must know of a report, and how it comes to know it: in this process, or in one made for it.

Decoding takes half of what a report costs, holds the interpreter meanwhile, and touches what strangers made. So it is
done in processes of its own, which may have so much memory and no more, and end with the one that started them. A
message either way is its length, 4 bytes, and msgpack.
"""

import struct
from typing import Protocol

import msgspec

from probe.collector.ingest_checks import checked
from probe.collector.ingest_refusals import Reason, Refusal
from probe.collector.ingest_unpacking import unpacked
from probe.wire.measurement import Network

LENGTH = struct.Struct("<I")


class Task(msgspec.Struct, frozen=True, array_like=True):
    encoding: bytes
    body: bytes


class Decoded(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """`claim` is what the probe says of its network; `stored` the body as the log keeps it, None: as it came."""

    report_id: str
    measurements: int
    claim: Network
    stored: bytes | None = None


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """A `Refusal` on its way between processes."""

    status: int
    reason: Reason
    error: str
    path: str | None


class Decoder(Protocol):
    async def decode(self, encoding: bytes, body: bytes) -> Decoded:
        """Raises Refusal."""
        ...


class Here:
    """Decodes in this process."""

    async def decode(self, encoding: bytes, body: bytes) -> Decoded:
        return decoded(encoding, body)


def decoded(encoding: bytes, body: bytes) -> Decoded:
    """Raises Refusal."""
    packet = unpacked(body, encoding)
    report = checked(packet.document)
    stored = None if packet.stored is body else packet.stored
    return Decoded(report.report_id, len(report.measurements), _plain(report.network), stored)


def _plain(network: Network) -> Network:
    """As the wire's own struct, not its twin with bounds."""
    return Network(asn=network.asn, country=network.country, name=network.name, resolver_asn=network.resolver_asn)


def refused(refusal: Refusal) -> Refused:
    return Refused(refusal.status, refusal.reason, refusal.error, refusal.path)
