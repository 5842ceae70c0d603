"""Taking out of a text every address that the measurement has no business with.

Block pages and captive portals like to print the client's address, in the page, in a header or in the URL that they
redirect to. An address that no step looked up, connected to or was sent to can only be such a one. Version numbers with
four parts go too. What is encoded (`%2E`, base64) is not seen.
"""

from collections.abc import Iterable

import msgspec

from probe.wire.addresses import is_address, parse_address, scrub
from probe.wire.ooni_fields import place
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep


def acquainted(steps: Iterable[AnyStep]) -> frozenset[str]:
    """The addresses that the measurement is about."""
    return frozenset(
        str(parse_address(address)) for step in steps for address in _addresses(step) if is_address(address)
    )


def _addresses(step: AnyStep) -> list[str]:
    match step:
        case DnsStep():
            return [*step.answers, *(address for reply in step.replies for address in reply.addresses)]
        case TcpStep() | TlsStep():
            return [step.address]
        case HttpStep():
            hosts = [where.host for where in (place(step.url), place(step.location)) if where]
            return [*hosts, step.address or ""]


def body_without_strangers(body: bytes, known: frozenset[str]) -> bytes:
    """Byte for byte the same elsewhere, whatever its encoding."""
    return scrub(body.decode("latin-1"), known).encode("latin-1")


def without_visitor(step: HttpStep, known: frozenset[str]) -> HttpStep:
    """The record of a response that may have been made for its visitor, without any address that is not known."""
    return msgspec.structs.replace(
        step,
        body=body_without_strangers(step.body, known),
        url=scrub(step.url, known),
        location=scrub(step.location, known) if step.location else step.location,
        title=scrub(step.title, known) if step.title else step.title,
        headers=tuple((name, scrub(value, known)) for name, value in step.headers),
    )
