"""Taking out of a text every address that the measurement has no business with.

Block pages and captive portals like to print the client's address, in the page, in a header or in the URL that they
redirect to. An address that no step looked up, connected to or was sent to can only be such a one. Version numbers with
four parts go too. What is encoded (`%2E`, base64) is not seen.
"""

import re
from collections.abc import Iterable

from probe.wire.addresses import is_address, parse_address
from probe.wire.ooni_fields import place
from probe.wire.steps import AnyStep, DnsStep, HttpStep, TcpStep, TlsStep

SCRUBBED = "[scrubbed]"

_IPV4 = re.compile(r"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)")
_IPV6 = re.compile(r"(?<![0-9A-Fa-f:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}+(?![0-9A-Za-z])")


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


def without_strangers(text: str, known: frozenset[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        found = match.group()
        shapes = (found, found.lstrip(":"), found.rstrip(":"), found.strip(":"))
        address = next((shape for shape in shapes if shape.strip(":") and is_address(shape)), None)
        return SCRUBBED if address and str(parse_address(address)) not in known else found

    return _IPV6.sub(replace, _IPV4.sub(replace, text))


def body_without_strangers(body: bytes, known: frozenset[str]) -> bytes:
    """Byte for byte the same elsewhere, whatever its encoding."""
    return without_strangers(body.decode("latin-1"), known).encode("latin-1")
